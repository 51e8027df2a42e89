// The same twelve bytes as the `hello` example, for `deno serve`.

const headers = { "content-type": "text/plain" };

export default {
  fetch() {
    return new Response("hello world\n", { headers });
  },
};
