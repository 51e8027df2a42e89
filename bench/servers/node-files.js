// The files of the folder FOLDER: `/small` as `fs.readFile` reads it, `/large` as a stream.
//
// usage: node node-files.js PORT FOLDER

'use strict';
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

const [port, folder] = process.argv.slice(2);

function small(response) {
  fs.readFile(path.join(folder, 'small'), (error, data) => {
    if (error) return response.writeHead(500).end();
    response.writeHead(200, { 'content-length': data.length });
    response.end(data);
  });
}

function large(response) {
  const file = path.join(folder, 'large');
  fs.stat(file, (error, { size }) => {
    if (error) return response.writeHead(500).end();
    response.writeHead(200, { 'content-length': size });
    fs.createReadStream(file).pipe(response);
  });
}

http
  .createServer((request, response) => (request.url === '/small' ? small : large)(response))
  .listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
