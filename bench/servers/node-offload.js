// What `bench/guests/offloader` does, on Node's threads. `by` names whose:
//
//   piscina  a pool of so many threads, which are kept
//   worker   a new Worker for each job, which ends with it
//   inline   none: the one of the loop
//
// usage: node node-offload.js PORT CHORE.WASM PISCINA THREADS

'use strict';
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { Worker } = require('node:worker_threads');

const [port, wasm, piscina, threads] = process.argv.slice(2);
const MEGABYTE = 1_000_000;
const filename = path.join(__dirname, 'node-offload-work.js');
const module_ = new WebAssembly.Module(fs.readFileSync(wasm));
const { hash_beginning: hash } = new WebAssembly.Instance(module_).exports;

// The bytes of a chore are moved, not copied, as each way to call allows it.
let pool;
function byPiscina(chore) {
  const { Piscina } = require(piscina);
  const size = Number(threads);
  pool ??= new Piscina({
    filename,
    minThreads: size,
    maxThreads: size,
    workerData: { module: module_ },
  });
  return pool.run(chore, { transferList: moved(chore) });
}

function byWorker(chore) {
  return new Promise((resolve, reject) => {
    const worker = begin(chore);
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

function begin(chore) {
  const workerData = { module: module_, chore };
  return new Worker(filename, { workerData, transferList: moved(chore) });
}

function moved(chore) {
  return chore.bytes ? [chore.bytes.buffer] : [];
}

function inline({ rounds }) {
  return hash(rounds) >>> 0;
}

const ways = { piscina: byPiscina, worker: byWorker, inline };

// Microseconds of a job, the mean of some that follow one another.
async function mean(count, job) {
  const start = performance.now();
  for (let at = 0; at < count; at += 1) await job();
  return ((performance.now() - start) * 1000) / count;
}

// Jobs that have begun and wait; `held` is told, and they are let go when it is done.
async function waiting(count, held) {
  const workers = Array.from({ length: count }, () => begin({ kind: 'wait' }));
  const next = (worker) => new Promise((resolve) => worker.once('message', resolve));
  await Promise.all(workers.map(next));
  await held();
  const ends = Promise.all(workers.map(next));
  workers.forEach((worker) => worker.postMessage('end'));
  await ends;
}

async function route(response, { pathname, searchParams }) {
  const count = Number(searchParams.get('n'));
  const rounds = Number(searchParams.get('rounds'));
  const way = ways[searchParams.get('by')];
  switch (pathname) {
    case '/hello':
      return answer(response, 'hello world\n');
    case '/hash':
      return answer(response, `${hex(await way({ kind: 'hash', rounds }))}\n`);
    case '/empty':
      return answer(response, `${await mean(count, () => way({ kind: 'empty' }))}\n`);
    case '/megabyte': {
      let bytes = new Uint8Array(MEGABYTE);
      const echo = async () => {
        bytes = await way({ kind: 'echo', bytes });
        if (bytes.length !== MEGABYTE) throw new Error('a part is missing');
      };
      return answer(response, `${await mean(count, echo)}\n`);
    }
    case '/pieces': {
      const start = performance.now();
      await Promise.all(Array.from({ length: count }, () => way({ kind: 'hash', rounds })));
      return answer(response, `${(performance.now() - start) * 1000}\n`);
    }
    case '/waiting': {
      const held = () => {
        response.write('begun\n');
        return new Promise((resolve) => setTimeout(resolve, Number(searchParams.get('ms'))));
      };
      await waiting(count, held);
      return response.end('over\n');
    }
    default:
      return response.writeHead(404).end();
  }
}

function hex(number) {
  return number.toString(16).padStart(8, '0');
}

function answer(response, body) {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length });
  response.end(body);
}

http
  .createServer((request, response) => {
    route(response, new URL(request.url, 'http://localhost')).catch((error) => {
      console.error(error);
      response.writeHead(500).end();
    });
  })
  .listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
