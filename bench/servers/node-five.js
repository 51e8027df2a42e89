// Five calls of another server at once, joined.
//
// usage: node node-five.js PORT URL

'use strict';
const http = require('node:http');

const [port, url] = process.argv.slice(2);
const CALLS = 5;

async function text() {
  return (await fetch(url)).text();
}

http
  .createServer(async (request, response) => {
    const texts = await Promise.all(Array.from({ length: CALLS }, text));
    const body = texts.join('');
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length });
    response.end(body);
  })
  .listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
