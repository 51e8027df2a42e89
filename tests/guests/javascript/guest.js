// Answers by the fetch event of the engine, which exports wasi:http/incoming-handler.

addEventListener("fetch", (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  const url = new URL(request.url);
  switch (url.pathname.split("/").pop()) {
    case "hello":
      return new Response("hello from javascript");
    case "echo":
      return new Response(await request.arrayBuffer());
    case "sleep": {
      const ms = Number(url.searchParams.get("ms") ?? 10);
      await new Promise((resolve) => setTimeout(resolve, ms));
      return new Response(`slept ${ms} ms\n`);
    }
    default:
      return new Response("no such behaviour\n", { status: 404 });
  }
}
