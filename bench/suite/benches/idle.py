"""What nothing costs: connections that are kept and say nothing, and a server without any."""

import time
from dataclasses import dataclass

from .. import process, recipes
from ..build import example
from ..crowd import crowd
from ..figures import Figure, Report, Table, at_most, number, spread
from ..rounds import Options, interleave
from ..server import Failure, Recipe, running

COUNT = 10_000
# Hob gives a connection's buffers back after one to two seconds.
SETTLE_SECONDS = 4.0
WATCH_SECONDS = 5.0
KB_PER_CONNECTION = 6.0
IDLE_PERCENT = 0.2
HOB = "hob fast shared"


@dataclass(frozen=True)
class Quiet:
    """What a server was seen to use while nothing was asked of it."""

    kb_per_connection: float
    # Of a core, in percent: without a connection, and with all of them.
    cpu_alone: float
    cpu_with_connections: float


def servers() -> list[Recipe]:
    return [
        recipes.hob(HOB, example("hello"), "shared"),
        recipes.hob("hob fast fresh", example("hello"), "fresh"),
        recipes.node("node", "node-hello.js"),
    ]


def measure(recipe: Recipe) -> Quiet:
    with running(recipe, bound_seconds=180) as server:
        # The check was a request: what it set going has to come to rest.
        time.sleep(SETTLE_SECONDS)
        alone = _watch(server.pid)
        before = process.memory_bytes(server.pid)
        with crowd("hold", server, recipe.path, COUNT) as swarm:
            swarm.wait_for("held")
            time.sleep(SETTLE_SECONDS)
            with_connections = _watch(server.pid)
            during = process.memory_bytes(server.pid)
            swarm.release()
            done = swarm.wait_for("done")
        server.check()
    if done["statuses"] != {"200": COUNT}:
        raise Failure(f"{recipe.name}: {done['statuses']}")
    return Quiet(
        kb_per_connection=(during["resident"] - before["resident"]) / COUNT / 1000,
        cpu_alone=alone,
        cpu_with_connections=with_connections,
    )


def _watch(pid: int) -> float:
    before, start = process.cpu_seconds_fine(pid), time.monotonic()
    time.sleep(WATCH_SECONDS)
    used = process.cpu_seconds_fine(pid) - before
    return used / (time.monotonic() - start) * 100


def prepare() -> None:
    servers()


def run(options: Options) -> Report:
    rounds = options.rounds_or(3, 1)
    found = interleave(options, servers(), rounds, measure)
    memory = found.of(HOB, "kb_per_connection")
    cpu = found.of(HOB, "cpu_alone")
    figures = [
        Figure("idle connection, memory", memory, "KB", at_most(KB_PER_CONNECTION)),
        Figure("idle server, CPU", cpu, "%", at_most(IDLE_PERCENT)),
    ]
    rows = [
        [
            name,
            spread(found.of(name, "kb_per_connection")),
            spread(found.of(name, "cpu_alone")),
            spread(found.of(name, "cpu_with_connections")),
        ]
        for name in found.samples
    ]
    header = ["server", "KB per connection", "CPU alone, %", f"CPU with {COUNT:,}, %"]
    return Report(
        title=f"idle: {COUNT:,} connections that have each served one request, {rounds} rounds",
        figures=figures,
        tables=[Table(header, rows)],
        notes=[
            "KB (1,000 bytes): growth of the resident set; the kernel's sockets are not in it. "
            f"CPU of one core over {number(WATCH_SECONDS)} s, in the scheduler's nanoseconds."
        ],
        failures=found.failures,
        samples=found.plain(),
    )
