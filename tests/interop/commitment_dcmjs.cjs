// Storage commitment with the npm package dcmjs-dimse, in node: as the one that asks, or as the one that is asked.
//
// Reads a JSON object from standard input: mode (`ask` or `serve`), port of the other side, listen, calling, called, and
// references, pairs of SOP class and instance. Writes `ready` once it listens, and at the end a JSON object: what it was
// told or asked ({event, transaction, instances, status}).
'use strict';

const fs = require('node:fs');

const { Client, Dataset, Scp, Server, constants, log, requests, responses } = require('dcmjs-dimse');

const MODEL = '1.2.840.10008.1.20.1';
const INSTANCE = '1.2.840.10008.1.20.1.1';
const { PresentationContextResult, Status } = constants;
const asked = JSON.parse(fs.readFileSync(0, 'utf-8'));
log.level = 'silent';
log.setLevel?.('silent');

const instances = elements => [elements.ReferencedSOPSequence ?? []].flat().map(item => item.ReferencedSOPInstanceUID);

function send(request, done) {
  const client = new Client();
  request.on('response', response => done(response.getStatus()));
  client.addRequest(request);
  client.on('networkError', error => finish({ error: String(error) }));
  client.send('127.0.0.1', asked.port, asked.calling, asked.called);
}

function finish(outcome) {
  console.log(JSON.stringify(outcome));
  process.exit(0);
}

class Peer extends Scp {
  associationRequested(association) {
    for (const { id } of association.getPresentationContexts()) {
      const context = association.getPresentationContext(id);
      const [syntax] = context.getTransferSyntaxUids();
      context.setResult(PresentationContextResult.Accept, syntax);
    }
    this.sendAssociationAccept();
  }

  nEventReportRequest(request, callback) {
    const response = responses.NEventReportResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
    const elements = request.getDataset().getElements();
    const told = { event: request.getEventTypeId(), transaction: elements.TransactionUID, instances: instances(elements) };
    setTimeout(() => finish(told), 100);
  }

  nActionRequest(request, callback) {
    const response = responses.NActionResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
    const elements = request.getDataset().getElements();
    const result = new Dataset({ TransactionUID: elements.TransactionUID, ReferencedSOPSequence: elements.ReferencedSOPSequence });
    const report = new requests.NEventReportRequest(MODEL, INSTANCE, 1);
    report.setDataset(result);
    const told = { transaction: elements.TransactionUID, instances: instances(elements) };
    send(report, status => finish({ ...told, status }));
  }

  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
  }
}

new Server(Peer).listen(asked.listen);
console.log('ready');
if (asked.mode === 'ask') {
  const request = new requests.NActionRequest(MODEL, INSTANCE, 1);
  request.setDataset(new Dataset({
    TransactionUID: asked.transaction,
    ReferencedSOPSequence: asked.references.map(([sopClass, uid]) => ({ ReferencedSOPClassUID: sopClass, ReferencedSOPInstanceUID: uid })),
  }));
  send(request, status => status !== Status.Success && finish({ status }));
}
