// A point query a request, by the package `sqlite3` (threads of the pool) or `better-sqlite3` (which
// blocks the loop); `/hello` answers at once.
//
// usage: node node-sql.js PORT DATABASE sqlite3|better-sqlite3 MODULES

'use strict';
const http = require('node:http');
const path = require('node:path');

const [port, database, name, modules] = process.argv.slice(2);
const ROWS = 1_000_000;
const TEXT = 'select name from items where id = ?';

let last = 1;
function nextId() {
  last = (last * 48_271) % 2_147_483_647;
  return last % ROWS;
}

function answer(response, text) {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': text.length });
  response.end(text);
}

const Database = require(path.join(modules, name));

function asynchronous() {
  const connection = new Database.Database(database, Database.OPEN_READONLY);
  const statement = connection.prepare(TEXT);
  return (response) =>
    statement.get(nextId(), (error, row) => {
      if (error) return response.writeHead(500).end();
      answer(response, row.name);
    });
}

function blocking() {
  const statement = new Database(database, { readonly: true }).prepare(TEXT);
  return (response) => answer(response, statement.get(nextId()).name);
}

const query = name === 'sqlite3' ? asynchronous() : blocking();
http
  .createServer((request, response) => {
    if (request.url === '/hello') return answer(response, 'hello world\n');
    query(response);
  })
  .listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
