// Runs calls of the npm package dicomweb-client in node, where xhr2 stands for a browser's XMLHttpRequest.
//
// Reads a JSON object from standard input: url, options, and calls, each a list of a method's name and its options.
// Writes a JSON list of what each call brought: {value}, its bytes as {base64}, or {error}. Strings that begin with
// "file:" are replaced with the bytes of the file that they name.
'use strict';

const fs = require('node:fs');

global.XMLHttpRequest = require('xhr2');
const { api } = require('dicomweb-client');

const isBytes = value => value instanceof ArrayBuffer || ArrayBuffer.isView(value);

function told(value) {
  if (isBytes(value)) return { base64: Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return value.map(told);
  return value;
}

function filled(value) {
  if (Array.isArray(value)) return value.map(filled);
  if (typeof value === 'string' && value.startsWith('file:')) {
    return new Uint8Array(fs.readFileSync(value.slice('file:'.length))).buffer;
  }
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, filled(one)]));
}

async function outcome(client, [method, options]) {
  try {
    return { value: told(await client[method](filled(options))) };
  } catch (error) {
    return { error: `${error}`, status: error.status };
  }
}

async function main() {
  const { url, options, calls } = JSON.parse(fs.readFileSync(0, 'utf-8'));
  const client = new api.DICOMwebClient({ url, verbose: false, ...options });
  const outcomes = [];
  for (const call of calls) outcomes.push(await outcome(client, call));
  process.stdout.write(JSON.stringify(outcomes));
}

console.debug = () => {};
main();
