// Work items with the npm package dcmjs-dimse, in node: as SCU, as a node that hears of them, or as one that keeps them.
//
// Reads a JSON object from standard input. With listen, a port, it takes what it is sent: it writes `listening`, and a JSON
// object for each request; it keeps the work items that it is told to make. Without, it sends requests of
// {what: create|set|get|action|find|event, through, uid, number, names, dataset} to port, as calling, and writes a JSON
// array of {status, dataset}, one for each response.
'use strict';

const fs = require('node:fs');

const dimse = require('dcmjs-dimse');
const { Client, Dataset, Scp, Server, log } = dimse;
const { CFindRequest, NActionRequest, NCreateRequest, NEventReportRequest, NGetRequest, NSetRequest } = dimse.requests;
const { CFindResponse, NActionResponse, NCreateResponse, NEventReportResponse, NGetResponse, NSetResponse } = dimse.responses;
const { PresentationContextResult, Status, TransferSyntax } = dimse.constants;

const PUSH = '1.2.840.10008.5.1.4.34.6.1';
const GLOBAL_SUBSCRIPTION = '1.2.840.10008.5.1.4.34.5';
const CHANGE_STATE = 1;
const WRONG_TRANSACTION = 0xc301;
const UNKNOWN = 0xc307;
const asked = JSON.parse(fs.readFileSync(0, 'utf-8'));
log.level = 'silent';
log.setLevel?.('silent');

function elementsOf(message) {
  const { _vrMap, ...elements } = message.getDataset()?.getElements() ?? {};
  return elements;
}

const items = new Map();
const claims = new Map();

class Node extends Scp {
  associationRequested(association) {
    for (const { id } of association.getPresentationContexts()) {
      const context = association.getPresentationContext(id);
      const syntax = context.getTransferSyntaxUids().find((uid) => uid === TransferSyntax.ExplicitVRLittleEndian);
      context.setResult(PresentationContextResult.Accept, syntax ?? TransferSyntax.ImplicitVRLittleEndian);
    }
    this.sendAssociationAccept();
  }

  answered(told, response, status) {
    console.log(JSON.stringify({ ...told, status }));
    response.setStatus(status);
    return response;
  }

  nCreateRequest(request, callback) {
    const uid = request.getAffectedSopInstanceUid();
    items.set(uid, { ...elementsOf(request), SOPInstanceUID: uid });
    const told = { what: 'create', sop: request.getAffectedSopClassUid(), uid };
    callback(this.answered(told, NCreateResponse.fromRequest(request), Status.Success));
  }

  // The transaction of a request is that of the claim, where there is one.
  checked(uid, transaction) {
    if (!items.has(uid) && uid !== GLOBAL_SUBSCRIPTION) return UNKNOWN;
    return (claims.get(uid) ?? transaction) === transaction ? Status.Success : WRONG_TRANSACTION;
  }

  nSetRequest(request, callback) {
    const uid = request.getRequestedSopInstanceUid();
    const { TransactionUID, ...changes } = elementsOf(request);
    const status = this.checked(uid, TransactionUID);
    if (status === Status.Success) Object.assign(items.get(uid), changes);
    const told = { what: 'set', sop: request.getRequestedSopClassUid(), uid, names: Object.keys(changes) };
    callback(this.answered(told, NSetResponse.fromRequest(request), status));
  }

  nActionRequest(request, callback) {
    const [uid, number] = [request.getRequestedSopInstanceUid(), request.getActionTypeId()];
    const elements = elementsOf(request);
    const changes = number === CHANGE_STATE;
    const status = this.checked(uid, changes ? elements.TransactionUID : claims.get(uid));
    if (changes && status === Status.Success) {
      claims.set(uid, elements.TransactionUID);
      items.get(uid).ProcedureStepState = elements.ProcedureStepState;
    }
    const told = { what: 'action', sop: request.getRequestedSopClassUid(), uid, number, dataset: elements };
    callback(this.answered(told, NActionResponse.fromRequest(request), status));
  }

  nGetRequest(request, callback) {
    const uid = request.getRequestedSopInstanceUid();
    const response = NGetResponse.fromRequest(request);
    if (items.has(uid)) response.setDataset(new Dataset(items.get(uid)));
    const told = { what: 'get', sop: request.getRequestedSopClassUid(), uid };
    callback(this.answered(told, response, this.checked(uid, claims.get(uid))));
  }

  cFindRequest(request, callback) {
    const { ProcedureStepState: state } = elementsOf(request);
    const found = [...items.values()].filter((item) => !state || item.ProcedureStepState === state);
    const responses = found.map((item) => {
      const response = CFindResponse.fromRequest(request);
      response.setDataset(new Dataset(item));
      response.setStatus(Status.Pending);
      return response;
    });
    const told = { what: 'find', sop: request.getAffectedSopClassUid(), found: found.length };
    callback([...responses, this.answered(told, CFindResponse.fromRequest(request), Status.Success)]);
  }

  nEventReportRequest(request, callback) {
    const [sop, uid] = [request.getAffectedSopClassUid(), request.getAffectedSopInstanceUid()];
    const told = { what: 'event', sop, uid, number: request.getEventTypeId(), dataset: elementsOf(request) };
    callback(this.answered(told, NEventReportResponse.fromRequest(request), Status.Success));
  }

  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
  }
}

function found(through) {
  const request = new CFindRequest();
  request.setAffectedSopClassUid(through);
  return request;
}

const MADE = {
  create: ({ through, uid }) => new NCreateRequest(PUSH, uid, through),
  set: ({ through, uid }) => new NSetRequest(PUSH, uid, through),
  get: ({ through, uid, names }) => new NGetRequest(PUSH, uid, names, through),
  action: ({ through, uid, number }) => new NActionRequest(PUSH, uid, number, through),
  find: ({ through }) => found(through),
  event: ({ through, uid, number }) => new NEventReportRequest(PUSH, uid, number, through),
};

function send() {
  const answers = [];
  const client = new Client();
  for (const one of asked.requests) {
    const request = MADE[one.what](one);
    if (one.dataset) request.setDataset(new Dataset(one.dataset));
    request.on('response', (response) => {
      answers.push({ status: response.getStatus(), dataset: elementsOf(response) });
    });
    client.addRequest(request);
  }
  client.on('networkError', (error) => answers.push({ error: String(error) }));
  client.on('closed', () => console.log(JSON.stringify(answers)));
  client.send('127.0.0.1', asked.port, asked.calling, asked.called);
}

if (asked.listen) {
  const server = new Server(Node);
  server.on('networkError', (error) => console.error(String(error)));
  server.listen(asked.listen);
  console.log('listening');
} else {
  send();
}
