// Requests of print management with the npm package dcmjs-dimse, in node, over the context of a meta SOP class.
//
// Reads a JSON object from standard input: port, calling, called, meta, and requests, each with its kind, SOP class and
// instance, and elements or tags. Writes a JSON list of what was answered to each: {status, elements}, or {error}.
'use strict';

const fs = require('node:fs');

const { Client, Dataset, log, requests } = require('dcmjs-dimse');

const asked = JSON.parse(fs.readFileSync(0, 'utf-8'));
const answers = [];
const client = new Client();
log.level = 'silent';
log.setLevel?.('silent');

function made({ kind, sop_class: sopClass, instance, elements, tags }) {
  if (kind === 'get') return new requests.NGetRequest(sopClass, instance, tags, asked.meta);
  if (kind === 'act') return new requests.NActionRequest(sopClass, instance, 1, asked.meta);
  if (kind === 'delete') return new requests.NDeleteRequest(sopClass, instance, asked.meta);
  const request = new requests.NCreateRequest(sopClass, instance, asked.meta);
  request.setDataset(new Dataset(elements));
  return request;
}

for (const one of asked.requests) {
  const request = made(one);
  request.on('response', response =>
    answers.push({ status: response.getStatus(), elements: response.hasDataset() ? response.getDataset().getElements() : {} }));
  client.addRequest(request);
}
client.on('networkError', error => answers.push({ error: String(error) }));
client.on('closed', () => console.log(JSON.stringify(answers)));
client.send('127.0.0.1', asked.port, asked.calling, asked.called);
