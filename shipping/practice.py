"""What a Hob that counts is made to do: the examples, in each isolation mode, under a load."""

import asyncio
import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 16
# For one isolation mode, with all that is compiled in it. A Hob that counts is some times slower.
SECONDS = 600.0


@dataclass(frozen=True)
class Errand:
    """A request that is sent again and again."""

    path: str
    times: int
    body: bytes | None = None
    method: str = ""
    status: int = 200

    def message(self) -> bytes:
        method = self.method or ("GET" if self.body is None else "POST")
        lines = [f"{method} {self.path} HTTP/1.1", "host: 127.0.0.1", "accept: */*"]
        lines += ["user-agent: practice", "accept-encoding: gzip, br"]
        if self.body is not None:
            lines += ["content-type: application/json", f"content-length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + (self.body or b"")


def said(value: dict) -> bytes:
    return json.dumps(value).encode()


NOTE = said({"title": "Milk", "body": "two bottles"})
ORDER = said({"item": "pen", "count": 3, "price": 1.5})
QUERY = said({"query": "{ notes(first: 5) { notes { id title } next } }"})

# Before the others, once.
FIRST = (
    Errand("/notes", 20, NOTE, status=201),
    Errand("/uploads/page", 1, bytes(4096), "PUT", 201),
    Errand("/uploads/picture", 1, bytes(300_000), "PUT", 201),
)

ERRANDS = (
    Errand("/hello", 20_000),
    Errand("/standard-0-2", 10_000),
    Errand("/standard-0-3", 10_000),
    Errand("/json", 10_000, ORDER),
    Errand("/json", 1_000, b"{", status=400),
    Errand("/echo", 4_000, bytes(2_000)),
    Errand("/echo", 200, bytes(200_000)),
    Errand("/guarded", 4_000, status=401),
    Errand("/notes/1", 10_000),
    Errand("/notes?limit=10&after=0", 2_000),
    Errand("/notes", 500, NOTE, status=201),
    Errand("/graphql", 2_000, QUERY),
    Errand("/uploads/page", 5_000),
    Errand("/uploads/picture", 300),
    Errand("/uploads", 1_000),
    Errand("/sleep?ms=1", 4_000),
    Errand("/ticker?ms=1&count=3", 500),
    Errand("/sort?pieces=2", 200, bytes(4_000)),
    Errand("/nowhere", 2_000, status=404),
)


class Refused(Exception):
    """It did not do what it was asked: what is counted would be something else."""


async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, errand: Errand) -> None:
    writer.write(errand.message())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    status = int(head.split(" ", 2)[1])
    if status != errand.status:
        raise Refused(f"{errand.path} was answered {status} and not {errand.status}")
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
    if length := fields.get("content-length"):
        await reader.readexactly(int(length))
    elif fields.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()


async def run(port: int, errand: Errand, connections: int) -> None:
    left = iter(range(errand.times))

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        for _ in left:
            await send(reader, writer, errand)
        writer.close()

    await asyncio.gather(*(client() for _ in range(min(connections, errand.times))))


async def wait_for(port: int, process: subprocess.Popen) -> None:
    """Until it listens: at its first start it compiles the examples."""
    while process.poll() is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        except ConnectionRefusedError:
            await asyncio.sleep(0.1)
    raise Refused(f"it has ended with code {process.returncode}: its message is above")


async def load(port: int, process: subprocess.Popen) -> None:
    await wait_for(port, process)
    for errand in FIRST:
        await run(port, errand, 1)
    for errand in ERRANDS:
        await run(port, errand, CONNECTIONS)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def apart(examples: Path, scratch: Path) -> Path:
    """The examples in another place, so that what they store is not where a user's is."""
    place = scratch / "examples"
    place.mkdir(parents=True)
    for entry in examples.iterdir():
        if entry.name != "data":
            (place / entry.name).symlink_to(entry)
    return place


def serve(hob: Path, examples: Path, scratch: Path, isolation: str | None) -> None:
    """Serves the examples until all errands are done. What is compiled is kept for the next time."""
    port = free_port()
    command = [str(hob), "serve", str(examples), "--listen", f"127.0.0.1:{port}", "--admin", "off"]
    command += ["--cache", str(scratch / "cache")]
    if isolation:
        command += ["--isolation", isolation]
    with (scratch / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log)
        try:
            asyncio.run(asyncio.wait_for(load(port, process), SECONDS))
            # Counts are written when it ends in its own way.
            process.send_signal(signal.SIGTERM)
            if code := process.wait(30):
                raise Refused(f"it ended with code {code}, and has not written its counts")
        finally:
            process.kill()
            process.wait()


def practise(hob: Path, examples: Path, scratch: Path, say: Callable[[str], None]) -> None:
    shutil.rmtree(scratch, ignore_errors=True)
    place = apart(examples, scratch)
    subprocess.run([str(hob), "build", str(examples)], check=True, stdout=subprocess.DEVNULL)
    for isolation in (None, "fresh", "reuse"):
        say(f"isolation: {isolation or 'as each handler has it'}")
        serve(hob, place, scratch, isolation)
