// One C-ECHO of the npm package dcmjs-dimse, in node.
//
// Reads a JSON object from standard input: port, calling, called, and options of Client.send; its securityOptions.ca is
// the name of a file. Writes a JSON object of how it went: {status}, {rejected: [result, source, reason]} or {error}.
'use strict';

const fs = require('node:fs');

const { Client, log } = require('dcmjs-dimse');
const { CEchoRequest } = require('dcmjs-dimse').requests;

const asked = JSON.parse(fs.readFileSync(0, 'utf-8'));
const options = asked.options;
if (options.securityOptions) options.securityOptions.ca = fs.readFileSync(options.securityOptions.ca);

const outcome = {};
const client = new Client();
const echo = new CEchoRequest();
log.level = 'silent';
log.setLevel?.('silent');
echo.on('response', response => (outcome.status = response.getStatus()));
client.addRequest(echo);
client.on('associationRejected', ({ result, source, reason }) => (outcome.rejected = [result, source, reason]));
client.on('networkError', error => (outcome.error = String(error)));
client.on('closed', () => console.log(JSON.stringify(outcome)));
client.send('localhost', asked.port, asked.calling, asked.called, options);
