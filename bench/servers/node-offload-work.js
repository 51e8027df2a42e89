// One piece of work on a thread: of piscina's pool, or on a new Worker's, which then is given the chore
// in its `workerData`.

'use strict';
const { parentPort, workerData } = require('node:worker_threads');

let hash;
function hashed(rounds) {
  // Compiled by the main thread, once for all.
  hash ??= new WebAssembly.Instance(workerData.module).exports.hash_beginning;
  return hash(rounds) >>> 0;
}

function work({ kind, rounds, bytes }) {
  switch (kind) {
    case 'empty':
      return undefined;
    case 'hash':
      return hashed(rounds);
    case 'echo':
      return bytes;
  }
}

module.exports = work;

if (workerData.chore?.kind === 'wait') {
  parentPort.once('message', () => parentPort.postMessage('over'));
  parentPort.postMessage('begun');
} else if (workerData.chore) {
  const result = work(workerData.chore);
  parentPort.postMessage(result, result instanceof Uint8Array ? [result.buffer] : []);
}
