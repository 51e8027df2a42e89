"""A thousand tenants with a component each: what one costs that is idle, how long the first request to one
takes, and what they do to those that are used most.
"""

import http.client
import json
import random
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .. import build, load, machine, recipes, tools
from ..build import guest
from ..figures import Figure, Report, Table, at_most, spread
from ..rounds import Options, interleave
from ..server import ADDRESS, Failure, Recipe, Server, pinned, running
from ..tools import say

TENANTS = 1000
RATE = 2000
# The tenants that get most, by Zipf's law with this exponent.
EXPONENT = 1.0
HOT = 10
IDLE_KB = 300.0
COLD_MS = 10.0
P99_RATIO = 1.5
ONE, MANY = "one tenant", f"{TENANTS:,} tenants"
GUEST = "fast_0_2"


@dataclass(frozen=True)
class Run:
    """One server."""

    anonymous_kb: float
    cold_p99_ms: float
    hot_p50_ms: float
    hot_p99_ms: float
    requests_per_second: float


def anonymous_kb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return float(line.split()[1])
    raise Failure("the kernel does not tell of anonymous memory")


def recipe(name: str, count: int) -> Recipe:
    """Each tenant has a component that differs from the others' and is compiled for itself."""
    place = recipes.scratch(f"tenants-{count}")
    component = Path(guest(GUEST)).read_bytes()
    tables = []
    for number in range(count):
        file = place / f"{number}.wasm"
        if not file.exists():
            word = f"{number:05d}".encode()
            file.write_bytes(component.replace(b"hello world", b"hello " + word))
        tables.append(
            f'[[handler]]\nname = "h{number}"\ntenant = "t{number}"\ncomponent = "{file}"\n'
            f'path = "/{number}"\nisolation = "fresh"\n'
        )
    file = place / "hob.toml"
    file.write_text("".join(tables))
    return recipes.hob(name, file, path="/0/hello", body=b"hello 00000\n")


def cold(server: Server, count: int) -> float:
    """The 99th percentile of the first requests, each to a tenant that had none."""
    took = []
    connection = http.client.HTTPConnection(ADDRESS, server.port, timeout=30)
    for number in random.sample(range(1, count), count - 1):
        begun = time.perf_counter()
        connection.request("GET", f"/{number}/hello")
        answer = connection.getresponse()
        body = answer.read()
        took.append((time.perf_counter() - begun) * 1e3)
        if answer.status != 200 or body != f"hello {number:05d}\n".encode():
            raise Failure(f"tenant {number}: {answer.status} {body!r}")
    connection.close()
    return statistics.quantiles(took, n=100)[98] if len(took) > 1 else 0.0


def beside_the_others(server: Server, count: int, seconds: float) -> subprocess.Popen | None:
    """The load of all tenants but the hot ones, by Zipf's law."""
    if count == 1:
        return None
    weights = [1 / (rank + 1) ** EXPONENT for rank in range(count)]
    share = sum(weights[HOT:]) / sum(weights)
    chosen = random.choices(range(HOT, count), weights[HOT:], k=20_000)
    file = recipes.scratch("zipf") / "urls"
    file.write_text("".join(f"http://{ADDRESS}:{server.port}/{one}/hello\n" for one in chosen))
    command = [tools.oha(), "--no-tui", "--output-format", "json", "--urls-from-file"]
    command += ["-q", str(round(RATE * share)), "-c", "64", "-z", f"{seconds + 2}s", str(file)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=pinned(machine.LOAD_CORE)
    )


def measure(one: Recipe, count: int, seconds: float) -> Run:
    with running(one, bound_seconds=seconds + 240) as server:
        idle = anonymous_kb(server.pid)
        cold_ms = cold(server, count)
        others = beside_the_others(server, count, seconds)
        # The same rate whoever else is there.
        weights = [1 / (rank + 1) ** EXPONENT for rank in range(TENANTS)]
        rate = round(RATE * sum(weights[:HOT]) / sum(weights))
        hot = load.latency(server, one.path, rate, seconds)
        if others:
            said = json.loads(others.communicate(timeout=seconds + 60)[0])
            statuses = said["statusCodeDistribution"]
            if set(statuses) != {"200"}:
                raise Failure(f"{one.name}: the others were answered {statuses}")
    return Run(idle, cold_ms, hot.p50, hot.p99, hot.requests_per_second)


def compile_all(count: int) -> None:
    """Fills the cache, which takes longer than a server is waited for."""
    file, cache = recipes.scratch(f"tenants-{count}") / "hob.toml", recipes.scratch("cache")
    command = [build.programs()["hob"], "check", str(file), "--cache", str(cache)]
    say(f"compiling {count} components")
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise Failure(f"compiling: {done.stderr.strip()}")


def prepare() -> None:
    tools.oha()
    guest(GUEST)


def run(options: Options) -> Report:
    rounds, seconds = options.rounds_or(3, 1), options.seconds_or(20, 6)
    counts = {ONE: 1, MANY: TENANTS}
    all_recipes = [recipe(name, count) for name, count in counts.items()]
    compile_all(TENANTS)
    found = interleave(
        options, all_recipes, rounds, lambda one: measure(one, counts[one.name], seconds)
    )
    memory = zip(found.all_of(MANY, "anonymous_kb"), found.all_of(ONE, "anonymous_kb"), strict=True)
    idle = [(many - one) / (TENANTS - 1) for many, one in memory if many and one]
    pairs = zip(found.all_of(MANY, "hot_p99_ms"), found.all_of(ONE, "hot_p99_ms"), strict=True)
    ratios = [many / one for many, one in pairs if many and one]
    shown = ("anonymous_kb", "requests_per_second", "hot_p50_ms", "hot_p99_ms")
    rows = [[name, *(spread(found.of(name, one)) for one in shown)] for name in counts]
    return Report(
        title=f"tenants: {TENANTS:,} tenants with a component each, {RATE:,} requests/s by Zipf's law, "
        f"{rounds} rounds of {seconds:g} s",
        figures=[
            Figure("anonymous memory of a tenant that is idle", idle, "KB", at_most(IDLE_KB)),
            Figure(
                "first request to a tenant, p99",
                found.of(MANY, "cold_p99_ms"),
                "ms",
                at_most(COLD_MS),
            ),
            Figure("p99 of a hot tenant, to that of one alone", ratios, "x", at_most(P99_RATIO)),
        ],
        tables=[Table(["server", "anonymous, KB", "requests/s", "p50, ms", "p99, ms"], rows)],
        notes=["The hot tenant's requests are those of the ten that get most; the others get theirs."],
        failures=found.failures,
        samples=found.plain(),
    )
