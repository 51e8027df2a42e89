"""Answers by wasi:http/incoming-handler of WASI 0.2."""

from urllib.parse import parse_qs, urlsplit

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import monotonic_clock
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import Fields, OutgoingBody, OutgoingResponse, ResponseOutparam


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request, response_out):
        target = urlsplit(request.path_with_query() or "/")
        match target.path.rsplit("/", 1)[-1]:
            case "hello":
                answer(response_out, 200, b"hello from python")
            case "echo":
                answer(response_out, 200, read(request))
            case "sleep":
                ms = int(parse_qs(target.query).get("ms", ["10"])[0])
                with monotonic_clock.subscribe_duration(ms * 1_000_000) as pollable:
                    pollable.block()
                answer(response_out, 200, f"slept {ms} ms\n".encode())
            case _:
                answer(response_out, 404, b"no such behaviour\n")


def read(request):
    chunks = []
    with request.consume() as body, body.stream() as stream:
        try:
            while True:
                chunks.append(stream.blocking_read(64 * 1024))
        except Err as error:
            if not isinstance(error.value, StreamError_Closed):
                raise
    return b"".join(chunks)


def answer(response_out, status, text):
    response = OutgoingResponse(Fields.from_list([("content-type", b"text/plain")]))
    response.set_status_code(status)
    body = response.body()
    ResponseOutparam.set(response_out, Ok(response))
    with body.write() as stream:
        for start in range(0, len(text), 4096):
            stream.blocking_write_and_flush(text[start : start + 4096])
    OutgoingBody.finish(body, None)
