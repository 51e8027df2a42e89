"""Five calls of another server at once, joined into one answer."""

import contextlib
import subprocess
from collections.abc import Iterator

from .. import build, load, machine, recipes, tools
from ..figures import Figure, Report, Table, at_least, ratios, spread
from ..rounds import Options, interleave
from ..server import ADDRESS, HELLO, Recipe, free_port, pinned, running

CALLS = 5
RATIO = 1.5
CONNECTIONS = 16


def servers(upstream: str) -> list[Recipe]:
    body = HELLO * CALLS
    data = recipes.scratch("fetch-data")
    return [
        recipes.capable("hob", "/five", body, data, upstream),
        recipes.node("node", "node-five.js", upstream, body=body),
    ]


@contextlib.contextmanager
def upstream() -> Iterator[str]:
    """The other server, on the core of the load."""
    address = f"{ADDRESS}:{free_port()}"
    command = [build.programs()["hob-bench-native"], address]
    process = subprocess.Popen(command, preexec_fn=pinned(machine.LOAD_CORE))
    try:
        yield f"http://{address}/"
    finally:
        process.kill()
        process.wait()


def prepare() -> None:
    servers("http://127.0.0.1:1/")
    tools.wrk()


def run(options: Options) -> Report:
    rounds, seconds = options.rounds_or(5, 1), options.seconds_or(5, 2)

    def measure(recipe: Recipe) -> load.Throughput:
        with running(recipe, bound_seconds=seconds + 120) as server:
            load.throughput(server, 2, CONNECTIONS)
            found = load.throughput(server, seconds, CONNECTIONS)
            server.check()
            return found

    with upstream() as url:
        found = interleave(options, servers(url), rounds, measure)
    one, two = (found.all_of(each, "requests_per_second") for each in ("hob", "node"))
    cpu, other = (found.all_of(each, "cpu_us_per_request") for each in ("hob", "node"))
    name = f"{CALLS} calls at once / node"
    figure = Figure(name, ratios(one, two), "x", at_least(RATIO), ratios(other, cpu))
    rows = [
        [
            each,
            spread(found.of(each, "requests_per_second")),
            spread(found.of(each, "cpu_us_per_request")),
        ]
        for each in found.samples
    ]
    return Report(
        title=f"fetch: {CALLS} calls joined, one core, `wrk -t1 -c{CONNECTIONS}`, "
        f"{rounds} rounds of {seconds:g} s",
        figures=[figure],
        tables=[Table(["server", "requests/s", "CPU us per request"], rows)],
        notes=["The server that is called is Hob's native handler, on the core of the load."],
        failures=found.failures,
        samples=found.plain(),
    )
