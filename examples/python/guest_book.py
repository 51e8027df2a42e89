"""A guest book: GET shows what was written last, POST writes one line more."""

from wit_world import exports
from wit_world.exports.handler import (
    Method_Get,
    Method_Post,
    RequestBody_Bytes,
    Response,
    ResponseBody_Bytes,
)
from wit_world.imports import sql

DATABASE = "book"
SHOWN = 20
LINE_MAX = 500
PIECE = 64 * 1024


class Handler(exports.Handler):
    def handle(self, request):
        match request.method:
            case Method_Get():
                return show()
            case Method_Post():
                return write(request.body)
            case _:
                return answer(405, "GET and POST\n", ("allow", b"GET, POST"))


def show():
    statement = sql.Statement(
        "select written_at, text from entries order by id desc limit ?",
        [sql.Value_Integer(SHOWN)],
    )
    rows = sql.query(DATABASE, statement).rows
    return answer(200, "".join(f"{written.value}  {text.value}\n" for written, text in rows))


def write(body):
    try:
        line = " ".join(read(body).decode().split())
    except (TooLong, UnicodeDecodeError):
        line = ""
    if not 0 < len(line) <= LINE_MAX:
        return answer(422, f"a line of up to {LINE_MAX} characters\n")
    # What a guest writes is a parameter, and never part of the statement.
    statement = sql.Statement("insert into entries (text) values (?)", [sql.Value_Text(line)])
    sql.execute(DATABASE, statement)
    return answer(201, "thank you\n")


class TooLong(Exception):
    pass


def read(body):
    """A body that is small comes whole; any other comes in pieces."""
    if isinstance(body, RequestBody_Bytes):
        return body.value
    read = b""
    with body.value as pieces:
        while piece := pieces.read(PIECE):
            read += piece
            if len(read) > PIECE:
                raise TooLong
    return read


def answer(status, text, *headers):
    fields = [("content-type", b"text/plain; charset=utf-8"), *headers]
    return Response(status, fields, ResponseBody_Bytes(text.encode()))
