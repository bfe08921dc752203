// One C-FIND of the modality worklist with the npm package dcmjs-dimse, in node.
//
// Reads a JSON object from standard input: port, calling, called, and elements, by keyword. Writes a JSON object:
// matches, each by keyword, and the status of the end, or {error}.
'use strict';

const fs = require('node:fs');

const { Client, log } = require('dcmjs-dimse');
const { CFindRequest } = require('dcmjs-dimse').requests;

const asked = JSON.parse(fs.readFileSync(0, 'utf-8'));
const outcome = { matches: [] };
const client = new Client();
log.level = 'silent';
log.setLevel?.('silent');
const request = CFindRequest.createWorklistFindRequest(asked.elements);
request.on('response', response => {
  outcome.status = response.getStatus();
  if (response.getStatus() === 0xff00 && response.hasDataset()) outcome.matches.push(response.getDataset().getElements());
});
client.addRequest(request);
client.on('networkError', error => (outcome.error = String(error)));
client.on('closed', () => console.log(JSON.stringify(outcome)));
client.send('127.0.0.1', asked.port, asked.calling, asked.called);
