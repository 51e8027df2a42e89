"""Runs the swarm of connections on the load's core, and listens to what it tells."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator

from . import machine
from .server import Failure, Server, pinned
from .tools import BENCH


class Crowd:
    """A swarm at work."""

    def __init__(self, server: Server, child: subprocess.Popen):
        self.server = server
        self.child = child

    def wait_for(self, event: str) -> dict:
        """The facts of the next event, which is to be this one."""
        line = self.child.stdout.readline()
        facts = json.loads(line) if line else {"event": "the swarm's end"}
        if facts["event"] != event:
            said = "" if line else self.child.stderr.read().strip().splitlines()[-1:]
            name = self.server.recipe.name
            raise Failure(f"{name}: {facts['event']} instead of {event!r}: {said}")
        return facts

    def release(self) -> None:
        """Tells a swarm that holds its connections to let go of them."""
        self.child.stdin.close()


@contextlib.contextmanager
def crowd(mode: str, server: Server, path: str, count: int) -> Iterator[Crowd]:
    """A swarm for as long as the block lasts."""
    command = [sys.executable, "-m", "suite.swarm", mode, str(server.port), path, str(count)]
    child = subprocess.Popen(
        command,
        cwd=BENCH,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=pinned(machine.LOAD_CORE),
    )
    try:
        yield Crowd(server, child)
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            with contextlib.suppress(OSError):
                pipe.close()
