"""Heavy requests, a few a second: the next is due whether the last was answered or not, or one client
asks for one after the other, of two kinds by turns."""

import contextlib
import http.client
import statistics
import threading
import time
from dataclasses import dataclass

from .server import ADDRESS, Failure, Server

# Requests under way at once. A server that leaves more unanswered gets the next ones late.
CLIENTS = 32
ANSWER_SECONDS = 30.0


@dataclass(frozen=True)
class Heavy:
    """A path that is expensive, and its answer."""

    path: str
    body: bytes


@dataclass(frozen=True)
class Answered:
    """What became of requests that fell due at a fixed rate. Milliseconds are from when one was due."""

    per_second: float
    p50: float
    worst: float


class Offered:
    """Requests at a fixed rate, until they are stopped."""

    def __init__(self, server: Server, heavy: Heavy, rate: float):
        self.server, self.heavy, self.rate = server, heavy, rate
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.begun = 0
        self.wrong: list[str] = []
        # Of each answer: when it was due and when it came, from the start on.
        self.answers: list[tuple[float, float]] = []
        self.start = time.monotonic()
        self.threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(ADDRESS, self.server.port, timeout=ANSWER_SECONDS)
        while True:
            with self.lock:
                due = self.begun / self.rate
                self.begun += 1
            if self.stopped.wait(max(0.0, self.start + due - time.monotonic())):
                break
            try:
                ask(connection, self.heavy)
                self.answers.append((due, time.monotonic() - self.start))
            except (OSError, http.client.HTTPException, Wrong) as fault:
                self.wrong.append(repr(fault))
                break
        connection.close()

    def stop(self) -> Answered:
        """Waits for those under way."""
        end = time.monotonic() - self.start
        self.stopped.set()
        for thread in self.threads:
            thread.join()
        if self.wrong:
            raise Failure(f"{self.server.recipe.name}: {self.heavy.path}: {self.wrong[0]}")
        in_time = sum(came <= end for _, came in self.answers)
        waits = [(came - due) * 1e3 for due, came in self.answers]
        if not waits:
            raise Failure(f"{self.server.recipe.name}: {self.heavy.path}: no answer")
        return Answered(
            per_second=in_time / end,
            p50=statistics.median(waits),
            worst=max(waits),
        )


class Wrong(Exception):
    """Not the answer that is to be given."""


def ask(connection: http.client.HTTPConnection, heavy: Heavy) -> None:
    connection.request("GET", heavy.path)
    response = connection.getresponse()
    body = response.read()
    if (response.status, body) != (200, heavy.body):
        raise Wrong(f"{response.status} {body[:80]!r}")


def by_turns(server: Server, kinds: tuple[Heavy, ...], seconds: float) -> list[float]:
    """Requests/s of one client that asks again as soon as it has the answer, if it asked for this kind
    alone. The kinds take turns, so that a slow moment of the machine falls on all."""
    connection = http.client.HTTPConnection(ADDRESS, server.port, timeout=ANSWER_SECONDS)
    with contextlib.closing(connection):
        took = [0.0] * len(kinds)
        turns, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            for at, heavy in enumerate(kinds):
                start = time.perf_counter()
                try:
                    ask(connection, heavy)
                except (OSError, http.client.HTTPException, Wrong) as fault:
                    raise Failure(f"{server.recipe.name}: {heavy.path}: {fault!r}") from fault
                took[at] += time.perf_counter() - start
            turns += 1
        return [turns / each for each in took]


def told(server: Server, path: str, seconds: float = 60.0) -> float:
    """The number that a handler has found by its own clock."""
    connection = http.client.HTTPConnection(ADDRESS, server.port, timeout=seconds)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise Wrong(f"{response.status} {body[:80]!r}")
            return float(body)
        except (OSError, http.client.HTTPException, Wrong, ValueError) as fault:
            raise Failure(f"{server.recipe.name}: {path}: {fault!r}") from fault
