"""What a handler that computes without end does to the requests beside it."""

import contextlib
import http.client
import shutil
import threading
from dataclasses import dataclass

from .. import load, recipes, tools
from ..build import example, guest
from ..figures import Figure, Report, Table, at_most, spread
from ..rounds import Options, interleave
from ..server import ADDRESS, Failure, Recipe, Server, running

RATE = 1000
LIGHT_P99_MS = 5.0
SPIN_MS = 100


@dataclass(frozen=True)
class Beside:
    """The light requests, and what became of the heavy ones beside them."""

    light: load.Latency
    spins: int
    statuses: list[int]


@dataclass(frozen=True)
class Scene:
    """A server, the light path, and the heavy one if there is any."""

    recipe: Recipe
    heavy: str | None = None

    @property
    def name(self) -> str:
        return self.recipe.name


class Spinner:
    """One client that asks for a spin, again and again, until it is stopped.

    It begins late: a loop that spins takes few new connections, and what is to be measured are
    the requests on those there are.
    """

    def __init__(self, server: Server, path: str):
        self.port, self.path = server.port, path
        self.statuses: list[int] = []
        self.stopped = threading.Event()
        threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        self.stopped.wait(load.OPENING_SECONDS)
        while not self.stopped.is_set():
            connection = http.client.HTTPConnection(ADDRESS, self.port, timeout=30)
            with contextlib.suppress(OSError, http.client.HTTPException):
                while not self.stopped.is_set():
                    connection.request("GET", self.path)
                    response = connection.getresponse()
                    response.read()
                    self.statuses.append(response.status)
            connection.close()

    def stop(self) -> None:
        self.stopped.set()


def scenes() -> list[Scene]:
    folder = recipes.scratch("spin")
    shutil.copy(example("hello"), folder / "hello.wasm")
    shutil.copy(guest("kitchen"), folder / "kitchen.wasm")

    def hob(name: str) -> Recipe:
        return recipes.hob(name, folder, path="/hello")

    spin = f"/spin?ms={SPIN_MS}"
    return [
        Scene(hob("hob, nothing beside")),
        Scene(hob("hob beside a spin for ever"), "/kitchen/spin"),
        Scene(hob(f"hob beside spins of {SPIN_MS} ms"), f"/kitchen{spin}"),
        Scene(recipes.node("node, nothing beside", "node-spin.js")),
        Scene(recipes.node(f"node beside spins of {SPIN_MS} ms", "node-spin.js"), spin),
    ]


def measure(scene: Scene, seconds: float) -> Beside:
    with running(scene.recipe, bound_seconds=seconds + 120) as server:
        spinner = Spinner(server, scene.heavy) if scene.heavy else None
        light = load.latency(server, scene.recipe.path, RATE, seconds)
        statuses = list(spinner.statuses) if spinner else []
        if spinner:
            spinner.stop()
        server.check_alive()
    if scene.heavy and not statuses:
        raise Failure(f"{scene.name}: no spin has ended")
    return Beside(light, len(statuses), sorted(set(statuses)))


def prepare() -> None:
    scenes()
    tools.oha()


def run(options: Options) -> Report:
    rounds, seconds = options.rounds_or(3, 1), options.seconds_or(20, 6)
    by_name = {scene.name: scene for scene in scenes()}
    found = interleave(
        options,
        [scene.recipe for scene in by_name.values()],
        rounds,
        lambda recipe: measure(by_name[recipe.name], seconds),
    )

    def of(name: str, attribute: str) -> list[float]:
        return [getattr(light, attribute) for light in found.of(name, "light")]

    forever, timed = "hob beside a spin for ever", f"hob beside spins of {SPIN_MS} ms"
    figures = [
        Figure(f"light p99, {name}", of(name, "p99"), "ms", at_most(LIGHT_P99_MS))
        for name in (forever, timed)
    ]
    header = ["server", "light requests/s", "p50, ms", "p99, ms", "p99.9, ms", "worst, ms"]
    header += ["spins", "their answers"]
    rows = [
        [
            name,
            spread(of(name, "requests_per_second")),
            *(spread(of(name, percentile)) for percentile in ("p50", "p99", "p999", "worst")),
            spread(found.of(name, "spins")),
            _answers(found.of(name, "statuses")),
        ]
        for name in by_name
    ]
    return Report(
        title=f"spin: {RATE:,} light requests/s beside a client that makes a handler compute, "
        f"{rounds} rounds of {seconds:g} s",
        figures=figures,
        tables=[Table(header, rows)],
        notes=["Latency is counted from when a request was due, not from when it could be sent."],
        failures=found.failures,
        samples=found.plain(),
    )


def _answers(rounds: list[list[int]]) -> str:
    return ", ".join(str(status) for status in sorted({one for each in rounds for one in each}))
