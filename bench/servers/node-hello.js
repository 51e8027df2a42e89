// The same twelve bytes as the `hello` example, with Node's own server, on 127.0.0.1:PORT.
// The length is given, as Hob gives it: without it Node sends chunks, which costs it more.
//
// usage: node node-hello.js PORT

'use strict';
const http = require('node:http');

const body = 'hello world\n';
const headers = { 'content-type': 'text/plain', 'content-length': body.length };

const server = http.createServer((request, response) => {
  response.writeHead(200, headers);
  response.end(body);
});
// Node closes idle connections after 5 s, which the bench of idle ones must not measure.
server.keepAliveTimeout = 120_000;
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });
