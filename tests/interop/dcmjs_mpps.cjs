// Normalized services by the npm package dcmjs-dimse, in node: as SCU, or as a node that is told.
//
// Reads a JSON object from standard input: serve and port; as SCU requests of {what: create|set|get, sop, uid, dataset}.
// As SCU it writes a JSON array of {status, dataset}; as a node `listening`, and a JSON object for each thing it is told.
'use strict';

const fs = require('node:fs');

const dimse = require('dcmjs-dimse');
const { Client, Dataset, Scp, Server, log } = dimse;
const { NCreateRequest, NGetRequest, NSetRequest } = dimse.requests;
const { NCreateResponse, NEventReportResponse, NSetResponse } = dimse.responses;
const { PresentationContextResult, Status, TransferSyntax } = dimse.constants;

const asked = JSON.parse(fs.readFileSync(0, 'utf-8'));
log.level = 'silent';
log.setLevel?.('silent');

class Node extends Scp {
  associationRequested(association) {
    this.association = association;
    for (const { id } of association.getPresentationContexts()) {
      const context = association.getPresentationContext(id);
      const syntax = context.getTransferSyntaxUids().find((uid) => uid === TransferSyntax.ExplicitVRLittleEndian);
      context.setResult(PresentationContextResult.Accept, syntax ?? TransferSyntax.ImplicitVRLittleEndian);
    }
    this.sendAssociationAccept();
  }

  answered(told, made, callback) {
    console.log(JSON.stringify(told));
    made.setStatus(Status.Success);
    callback(made);
  }

  nCreateRequest(request, callback) {
    this.answered({ what: 'create', uid: request.getAffectedSopInstanceUid() }, NCreateResponse.fromRequest(request), callback);
  }

  nSetRequest(request, callback) {
    this.answered({ what: 'set', uid: request.getRequestedSopInstanceUid() }, NSetResponse.fromRequest(request), callback);
  }

  nEventReportRequest(request, callback) {
    const told = { what: 'event', uid: request.getAffectedSopInstanceUid(), event: request.getEventTypeId() };
    this.answered(told, NEventReportResponse.fromRequest(request), callback);
  }

  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
  }
}

function made({ what, sop, uid, dataset }) {
  if (what === 'get') return new NGetRequest(sop, uid, []);
  const request = what === 'create' ? new NCreateRequest(sop, uid) : new NSetRequest(sop, uid);
  request.setDataset(new Dataset(dataset));
  return request;
}

if (asked.serve) {
  const server = new Server(Node);
  server.on('networkError', (error) => console.error(String(error)));
  server.listen(asked.port);
  console.log('listening');
} else {
  const answers = [];
  const client = new Client();
  for (const one of asked.requests) {
    const request = made(one);
    request.on('response', (response) => {
      answers.push({ status: response.getStatus(), dataset: response.getDataset()?.getElements() });
    });
    client.addRequest(request);
  }
  client.on('networkError', (error) => answers.push({ error: String(error) }));
  client.on('closed', () => console.log(JSON.stringify(answers)));
  client.send('localhost', asked.port, 'MR1', 'PACS_SCP');
}
