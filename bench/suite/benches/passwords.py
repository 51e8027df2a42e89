"""Light requests beside password hashes (Argon2id), which host threads do."""

import contextlib
import http.client
import threading
from dataclasses import dataclass

from .. import load, recipes, tools
from ..figures import Figure, Report, Table, at_most, ratios, spread
from ..rounds import Options, interleave
from ..server import ADDRESS, HELLO, Recipe, Server, running

RATE = 1000
CLIENTS = 4
RATIO = 2.0


@dataclass(frozen=True)
class Passwords:
    """Light requests alone and beside hashes, and how many of those there were."""

    alone: load.Latency
    beside: load.Latency
    hashes: int


class Clients:
    """Some clients that ask for one hash after the other, until they are stopped."""

    def __init__(self, server: Server, path: str):
        self.port, self.path = server.port, path
        self.hashes = 0
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(ADDRESS, self.port, timeout=30)
        with contextlib.suppress(OSError, http.client.HTTPException):
            while not self.stopped.is_set():
                connection.request("GET", self.path)
                if connection.getresponse().read() == b"hashed\n":
                    self.hashes += 1
        connection.close()

    def stop(self) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def servers() -> list[Recipe]:
    return [recipes.capable("hob", "/hello", HELLO, recipes.scratch("passwords-data"))]


def prepare() -> None:
    servers()
    tools.oha()


def run(options: Options) -> Report:
    rounds, seconds = options.rounds_or(5, 1), options.seconds_or(10, 4)

    def measure(recipe: Recipe) -> Passwords:
        with running(recipe, bound_seconds=2 * seconds + 120) as server:
            alone = load.latency(server, recipe.path, RATE, seconds)
            clients = Clients(server, "/capable/password")
            beside = load.latency(server, recipe.path, RATE, seconds)
            clients.stop()
            server.check()
            return Passwords(alone, beside, clients.hashes)

    found = interleave(options, servers(), rounds, measure)

    def of(which: str, attribute: str) -> list[float]:
        return [getattr(one, attribute) for one in found.of("hob", which)]

    ratio = ratios(of("beside", "p99"), of("alone", "p99"))
    rows = [
        [which, spread(of(which, "p50")), spread(of(which, "p99")), spread(of(which, "worst"))]
        for which in ("alone", "beside")
    ]
    return Report(
        title=f"passwords: {RATE:,} light requests/s beside {CLIENTS} clients that ask for Argon2id "
        f"(19 MiB, two passes), {rounds} rounds of {seconds:g} s",
        figures=[Figure("light p99 beside hashes / alone", ratio, "x", at_most(RATIO))],
        tables=[Table(["light requests", "p50, ms", "p99, ms", "worst, ms"], rows)],
        notes=[f"Hashes in a round: {spread(found.of('hob', 'hashes'))}. All threads share a core."],
        failures=found.failures,
        samples=found.plain(),
    )
