"""From the start of a process to its first answer."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from .. import recipes
from ..build import example
from ..figures import Figure, Report, Table, at_most, spread
from ..rounds import Options, interleave
from ..server import ADDRESS, START_SECONDS, Failure, Recipe, free_port, spawn

WARM_MS = 50.0
WARM, COLD = "hob, warm cache", "hob, cold cache"


@dataclass(frozen=True)
class Start:
    """One start."""

    ms: float


def measure(recipe: Recipe) -> Start:
    """Asks without pause until there is an answer. The time of the fork is in it too."""
    port = free_port()
    request = f"GET / HTTP/1.1\r\nHost: {ADDRESS}:{port}\r\n\r\n".encode()
    start = time.perf_counter()
    process = spawn(recipe, port, subprocess.DEVNULL)
    try:
        answer = b""
        while not answer.endswith((recipe.body, b"0\r\n\r\n")):
            if time.perf_counter() - start > START_SECONDS or process.poll() is not None:
                raise Failure(f"{recipe.name}: no answer, but {answer[:80]!r}")
            with contextlib.suppress(OSError), socket.socket() as connection:
                connection.settimeout(5)
                connection.connect((ADDRESS, port))
                connection.sendall(request)
                answer = _read(connection, recipe.body)
        ms = (time.perf_counter() - start) * 1e3
    finally:
        process.kill()
        process.wait()
    if not answer.startswith(b"HTTP/1.1 200 ") or recipe.body not in answer:
        raise Failure(f"{recipe.name}: {answer[:80]!r}")
    return Start(ms)


def _read(connection: socket.socket, body: bytes) -> bytes:
    answer = b""
    while not answer.endswith((body, b"0\r\n\r\n")):
        piece = connection.recv(4096)
        if not piece:
            break
        answer += piece
    return answer


def servers() -> tuple[list[Recipe], Callable[[], None]]:
    """The servers, and what makes the cold cache cold again."""
    hello, cold = example("hello"), recipes.scratch("cold-cache")

    def empty() -> None:
        shutil.rmtree(cold)
        cold.mkdir()

    return [
        recipes.hob(WARM, hello, cache=recipes.scratch("warm-cache")),
        recipes.hob(COLD, hello, cache=cold),
        recipes.node("node", "node-hello.js"),
        recipes.wasmtime("wasmtime serve 0.2", example("standard_0_2")),
    ], empty


def prepare() -> None:
    servers()


def run(options: Options) -> Report:
    rounds = options.rounds_or(20, 5)
    recipes_of_all, empty = servers()
    # Fills the warm cache, and brings the programs into memory.
    first = interleave(options, recipes_of_all, 1, measure)

    def timed(recipe: Recipe) -> Start:
        if recipe.name == COLD:
            empty()
        return measure(recipe)

    found = interleave(options, recipes_of_all, rounds, timed)
    figures = [
        Figure("first answer, warm cache", found.of(WARM, "ms"), "ms", at_most(WARM_MS)),
        Figure("first answer, cold cache", found.of(COLD, "ms"), "ms"),
    ]
    rows = [[name, spread(found.of(name, "ms"))] for name in found.samples]
    return Report(
        title=f"cold: from the start of the process to the first 200, {rounds} starts",
        figures=figures,
        tables=[Table(["server", "ms"], rows)],
        notes=["Programs are in the page cache, and all threads of a server share one core."],
        failures=first.failures + found.failures,
        samples=found.plain(),
    )
