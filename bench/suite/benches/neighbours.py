"""What two tenants that want all of the loop do to a third that wants little."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from .. import load, machine, recipes, tools
from ..build import guest
from ..figures import Figure, Report, Table, at_most, spread
from ..rounds import Options, interleave
from ..server import ADDRESS, Recipe, Server, get, pinned, running

RATE = 1000
# Of the third tenant's p99 beside the two, to that alone.
RATIO = 1.2
SPINS = 100
# As many at once, each of a millisecond: with every answer comes the next, so that what is asked for is
# many times a third of the loop.
FLOOD = 64
FLOOD_MS = 1

ALONE, BESIDE = "third tenant alone", "third tenant beside the two"
# The thread that interrupts guests has a core of its own, or takes that of the loop each time.
CORES = {"one core": (machine.SERVER_CORE,), "both cores": machine.BOTH_CORES}


@dataclass(frozen=True)
class Third:
    """The third tenant's requests, and what the flood was answered meanwhile."""

    light: load.Latency
    flood_answers: int


def scenes() -> list[Recipe]:
    file = recipes.scratch("neighbours") / "hob.toml"
    tables = [
        f"""
        [[handler]]
        name = "{name}"
        tenant = "{name}"
        component = "{guest("kitchen")}"
        isolation = "fresh"
        limits = {{ cpu_ms = 3600000, wall_ms = 3600000 }}
        """
        for name in ("spin", "flood", "third")
    ]
    file.write_text("".join(tables))
    return [
        recipes.hob(f"{name}, {cores}", file, path="/third/hello", cores=CORES[cores])
        for cores in CORES
        for name in (ALONE, BESIDE)
    ]


@contextlib.contextmanager
def spinning(server: Server) -> Iterator[None]:
    """Requests of the first tenant that never end."""
    with contextlib.ExitStack() as sockets:
        for _ in range(SPINS):
            one = sockets.enter_context(socket.create_connection((ADDRESS, server.port)))
            one.sendall(b"GET /spin/spin HTTP/1.1\r\nhost: hob\r\n\r\n")
        yield


@contextlib.contextmanager
def flooding(server: Server, seconds: float) -> Iterator[subprocess.Popen]:
    """Requests of the second tenant, one upon the other."""
    url = f"http://{ADDRESS}:{server.port}/flood/spin?ms={FLOOD_MS}"
    command = [tools.wrk(), "-t1", f"-c{FLOOD}", f"-d{round(seconds)}s", "--timeout", "30s", url]
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=pinned(machine.LOAD_CORE),
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def measure(recipe: Recipe, seconds: float) -> Third:
    """A third that is refused anything fails the round, for then not every status is 200."""
    with running(recipe, bound_seconds=seconds + 120) as server:
        if not recipe.name.startswith(BESIDE):
            return Third(load.latency(server, recipe.path, RATE, seconds), 0)
        with spinning(server), flooding(server, seconds + load.OPENING_SECONDS + 2) as flood:
            light = load.latency(server, recipe.path, RATE, seconds)
            said, _ = flood.communicate(timeout=60)
        get(server.port, recipe.path)
    answered = [line.split()[0] for line in said.splitlines() if " requests in " in line]
    return Third(light, int(answered[0]) if answered else 0)


def prepare() -> None:
    scenes()
    tools.oha()
    tools.wrk()


def run(options: Options) -> Report:
    rounds, seconds = options.rounds_or(5, 1), options.seconds_or(20, 6)
    found = interleave(options, scenes(), rounds, lambda recipe: measure(recipe, seconds))

    def of(name: str, attribute: str) -> list[float | None]:
        lights = [getattr(one, attribute) if one else None for one in found.all_of(name, "light")]
        return lights

    figures = []
    for cores in CORES:
        pairs = zip(of(f"{BESIDE}, {cores}", "p99"), of(f"{ALONE}, {cores}", "p99"), strict=True)
        ratios = [beside / alone for beside, alone in pairs if beside and alone]
        name = f"p99 beside the two, to that alone, {cores}"
        figures.append(Figure(name, ratios, "x", at_most(RATIO)))
    header = ["scene", "requests/s", "p50, ms", "p99, ms", "p99.9, ms", "worst, ms"]
    header += ["p99 while connections open, ms", "flood answers"]
    rows = []
    for name in found.samples:
        shown = [
            spread([one for one in of(name, attribute) if one is not None])
            for attribute in ("requests_per_second", "p50", "p99", "p999", "worst", "opening_p99")
        ]
        rows.append([name, *shown, spread(found.of(name, "flood_answers"))])
    return Report(
        title=f"neighbours: {RATE:,} light requests/s of a tenant beside {SPINS} endless loops "
        f"of another and a flood of a third, {rounds} rounds of {seconds:g} s",
        figures=figures,
        tables=[Table(header, rows)],
        notes=["A round in which the light tenant is refused anything has failed."],
        failures=found.failures,
        samples=found.plain(),
    )
