"""Owns a server under test: its start on one core or more, the check of its answer, its certain end."""

import contextlib
import ctypes
import http.client
import os
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from . import machine

ADDRESS = "127.0.0.1"
HELLO = b"hello world\n"
START_SECONDS = 30.0
PR_SET_PDEATHSIG = 1

_LIBC = ctypes.CDLL(None)


class Failure(Exception):
    """A run that measured nothing: a wrong answer, a server that is gone, a tool that failed."""


@dataclass(frozen=True)
class Recipe:
    """How a server is started. `{port}` in the command stands for a port that is free."""

    name: str
    command: tuple[str, ...]
    path: str = "/"
    # The answer to `path`, checked before and after a measurement.
    body: bytes = HELLO
    environment: dict[str, str] = field(default_factory=dict)
    # The access log goes to a real file where it is what is measured.
    keeps_output: bool = False
    # All of its threads share them.
    cores: tuple[int, ...] = (machine.SERVER_CORE,)


@dataclass
class Server:
    """A server that runs and has answered."""

    recipe: Recipe
    port: int
    process: subprocess.Popen

    @property
    def pid(self) -> int:
        return self.process.pid

    def check(self) -> None:
        """Fails the run unless the answer is the one that is to be given."""
        status, body = get(self.port, self.recipe.path)
        if (status, body) != (200, self.recipe.body):
            raise Failure(f"{self.recipe.name}: answered {status} {body[:80]!r}")

    def check_alive(self) -> None:
        if self.process.poll() is not None:
            raise Failure(f"{self.recipe.name}: ended with code {self.process.returncode}")


def get(port: int, path: str, seconds: float = 10.0) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def free_port() -> int:
    """A port below those the kernel gives to clients, so that no client takes it first."""
    for _ in range(100):
        port = random.randrange(12_000, 30_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((ADDRESS, port))
            return port
    raise Failure("there is no free port")


def pinned(*cores: int):
    """For `preexec_fn`: the child stays on these cores and dies with the harness."""

    def prepare() -> None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.sched_setaffinity(0, cores)

    return prepare


def environment(recipe: Recipe) -> dict[str, str]:
    """Dropping a Store captures a backtrace where this variable says so, and costs 10 %."""
    return {**os.environ, "RUST_BACKTRACE": "0", **recipe.environment}


def spawn(recipe: Recipe, port: int, output) -> subprocess.Popen:
    """Starts a server on its cores, with its output going to a file."""
    return subprocess.Popen(
        [part.replace("{port}", str(port)) for part in recipe.command],
        env=environment(recipe),
        stdin=subprocess.DEVNULL,
        stdout=output if recipe.keeps_output else subprocess.DEVNULL,
        stderr=output,
        preexec_fn=pinned(*recipe.cores),
    )


@contextlib.contextmanager
def running(recipe: Recipe, bound_seconds: float) -> Iterator[Server]:
    """A server for as long as the block lasts, and never longer than the bound."""
    with tempfile.TemporaryFile() as output:
        port = free_port()
        process = spawn(recipe, port, output)
        watchdog = threading.Timer(bound_seconds, process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            server = Server(recipe, port, process)
            _wait_until_it_answers(server, output)
            server.check()
            yield server
        finally:
            watchdog.cancel()
            process.kill()
            process.wait()


def _wait_until_it_answers(server: Server, output) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        with contextlib.suppress(OSError, http.client.HTTPException):
            get(server.port, server.recipe.path)
            return
        time.sleep(0.02)
    output.seek(0)
    said = output.read(2000).decode(errors="replace").strip()
    raise Failure(f"{server.recipe.name}: does not answer; it said: {said or 'nothing'}")
