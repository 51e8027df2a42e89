// Counts the visits of each page: GET counts one more, DELETE forgets them. The counts are the tenant's,
// so they outlive this instance and the server.

import { delete as remove, increment } from "hob:host/kv@0.2.0";

// A page is part of a key, which has up to 512 bytes.
const PAGE_MAX = 100;

function handle(request) {
  const page = request.target.split("?")[0];
  if (page.length > PAGE_MAX) {
    return answer(414, "the name of the page is too long\n");
  }
  switch (request.method.tag) {
    case "get":
      return answer(200, `${page} was visited ${count(page)} times\n`);
    case "delete":
      remove([key(page)]);
      return answer(200, `${page} is forgotten\n`);
    default:
      return answer(405, "GET and DELETE\n", [["allow", "GET, DELETE"]]);
  }
}

// Adds one in one step: two visits at once are two.
function count(page) {
  return increment(key(page), 1n);
}

function key(page) {
  return `visits/${page}`;
}

function answer(status, text, headers = []) {
  const type = ["content-type", "text/plain; charset=utf-8"];
  const fields = [type, ...headers].map(([name, value]) => [name, bytes(value)]);
  return { status, headers: fields, body: { tag: "bytes", val: bytes(text) } };
}

function bytes(text) {
  return new TextEncoder().encode(text);
}

// The treaty has bodies in pieces too; this handler makes none.
class OutgoingBody {
  next() {
    return undefined;
  }
}

export const handler = { handle, OutgoingBody };
