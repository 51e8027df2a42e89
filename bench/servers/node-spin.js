// `/` answers as `node-hello.js`; `/spin?ms=N` computes for N ms first, on the one thread there is.
//
// usage: node node-spin.js PORT

'use strict';
const http = require('node:http');

function answer(response, body) {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length });
  response.end(body);
}

const server = http.createServer((request, response) => {
  if (!request.url.startsWith('/spin')) return answer(response, 'hello world\n');
  const ms = Number(new URL(request.url, 'http://localhost').searchParams.get('ms'));
  const end = performance.now() + ms;
  while (performance.now() < end);
  answer(response, 'spun\n');
});
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });
