"""What a new version every few seconds does to the requests: none is lost, and none is served by a version
that was swapped out before it came.
"""

import http.client
import json
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass

from .. import machine, operator, tools
from ..figures import Figure, Report, Table, at_most, spread
from ..rounds import Options, interleave
from ..server import ADDRESS, Failure, Recipe, Server, pinned, running

RATE = 5000
LONG_PERCENT = 1
LONG_MS = 2000
EVERY_SECONDS = 5.0
P99_RATIO = 2.0
CACHED_MS = 5.0
STEADY, SWAPPING, CACHED = "no deployments", "a deployment every 5 s", "from the cache to the first 200"
HANDLER = "kitchen-0-2"
GUEST = "kitchen_0_2"


@dataclass(frozen=True)
class Run:
    """One run of the load, or of the deployments alone."""

    p50: float = 0.0
    p99: float = 0.0
    requests_per_second: float = 0.0
    failures: int = 0
    old_answers: int = 0
    asked: int = 0
    deployments: int = 0
    # From the beginning of a deployment of a version whose code is in the cache to its first answer.
    to_first_200_ms: float = 0.0


def recipe(name: str) -> tuple[Recipe, int]:
    tables = f"""
    [[handler]]
    name = "{HANDLER}"
    component = "{operator.guest(GUEST)}"
    isolation = "reuse"
    """
    return operator.serve(name, tables, f"redeploy-{name[:4].strip()}", f"/{HANDLER}/hello")


class Asker(threading.Thread):
    """Asks all the time, and knows which version was acknowledged last before each question."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.acknowledged = "world"
        self.allowed = {"world"}
        self.old = self.asked = 0
        self.over = False

    def run(self) -> None:
        connection = http.client.HTTPConnection(ADDRESS, self.port, timeout=30)
        while not self.over:
            # A version that is on its way may answer before it is acknowledged, an older one not after.
            allowed = set(self.allowed)
            connection.request("GET", f"/{HANDLER}/hello")
            word = connection.getresponse().read().decode().split()[-1]
            self.asked += 1
            if word not in allowed | self.allowed:
                self.old += 1
            time.sleep(0.002)
        connection.close()


def start_load(server: Server, rate: int, path: str, seconds: float) -> subprocess.Popen:
    url = f"http://{ADDRESS}:{server.port}{path}"
    command = [tools.oha(), "--no-tui", "--output-format", "json", "--latency-correction"]
    command += ["-q", str(rate), "-c", "256", "-z", f"{seconds}s", "-w", url]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=pinned(machine.LOAD_CORE)
    )


def counted(child: subprocess.Popen, seconds: float) -> tuple[dict, int]:
    """What a load has said, and how many of its requests have failed."""
    text, _ = child.communicate(timeout=seconds + 90)
    said = json.loads(text)
    failed = sum(said["errorDistribution"].values())
    failed += sum(n for status, n in said["statusCodeDistribution"].items() if status != "200")
    return said, failed


def measure(name: str, seconds: float) -> Run:
    own, admin = recipe(name)
    words = ["world", "there", "again"]
    versions = {word: operator.version(GUEST, word) for word in words[1:]}
    with running(own, bound_seconds=seconds + 180) as server:
        for word, component in versions.items():
            operator.deploy(admin, HANDLER, component)
        asker = Asker(server.port)
        asker.acknowledged = words[-1]
        asker.allowed = {words[-1]}
        asker.start()
        long_rate = RATE * LONG_PERCENT // 100
        short = start_load(server, RATE - long_rate, f"/{HANDLER}/hello", seconds)
        long = start_load(server, long_rate, f"/{HANDLER}/sleep?ms={LONG_MS}", seconds)
        deployments = 0
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(min(EVERY_SECONDS, max(0.0, until - time.monotonic())))
            if name == SWAPPING and time.monotonic() < until:
                word = words[1 + deployments % 2]
                asker.allowed = {*asker.allowed, word}
                operator.deploy(admin, HANDLER, versions[word])
                asker.allowed = {word}
                deployments += 1
        said, failed = counted(short, seconds)
        _, failed_long = counted(long, seconds)
        asker.over = True
        asker.join(timeout=30)
        server.check_alive()
    at = said["latencyPercentiles"]
    return Run(
        p50=at["p50"] * 1e3,
        p99=at["p99"] * 1e3,
        requests_per_second=said["summary"]["requestsPerSec"],
        failures=failed + failed_long,
        old_answers=asker.old,
        asked=asker.asked,
        deployments=deployments,
    )


def first_answers(times: int) -> Run:
    """Deploys two versions in turn, whose code is in the cache."""
    own, admin = recipe(CACHED)
    words = ["there", "again"]
    versions = {word: operator.version(GUEST, word) for word in words}
    took = []
    with running(own, bound_seconds=120) as server:
        for word in words:
            operator.deploy(admin, HANDLER, versions[word])
        for turn in range(times):
            word = words[turn % 2]
            connection = http.client.HTTPConnection(ADDRESS, server.port, timeout=10)
            connection.connect()
            begun = time.perf_counter()
            operator.deploy(admin, HANDLER, versions[word])
            connection.request("GET", f"/{HANDLER}/hello")
            said = connection.getresponse().read().decode().split()[-1]
            took.append((time.perf_counter() - begun) * 1e3)
            connection.close()
            if said != word:
                raise Failure(f"{CACHED}: {said} has answered, and {word} is deployed")
    return Run(deployments=times, to_first_200_ms=statistics.median(took))


def prepare() -> None:
    tools.oha()
    operator.guest(GUEST)


def run(options: Options) -> Report:
    rounds, seconds = options.rounds_or(3, 1), options.seconds_or(120, 12)
    scenes = [Recipe(name, ()) for name in (STEADY, SWAPPING, CACHED)]

    def one(scene: Recipe) -> Run:
        return first_answers(40) if scene.name == CACHED else measure(scene.name, seconds)

    found = interleave(options, scenes, rounds, one)
    pairs = zip(found.all_of(SWAPPING, "p99"), found.all_of(STEADY, "p99"), strict=True)
    ratios = [beside / alone for beside, alone in pairs if beside and alone]
    shown = ("requests_per_second", "p50", "p99", "failures", "deployments", "asked", "old_answers")
    rows = [[name, *(spread(found.of(name, one)) for one in shown)] for name in (STEADY, SWAPPING)]
    header = ["scene", "requests/s", "p50, ms", "p99, ms", "failed", "deployments"]
    header += ["answers looked at", "of an old version"]
    return Report(
        title=f"redeploy: {RATE:,} requests/s, {LONG_PERCENT} % of them {LONG_MS} ms long, "
        f"{rounds} rounds of {seconds:g} s",
        figures=[
            Figure("requests that failed", found.of(SWAPPING, "failures"), "", at_most(0)),
            Figure(
                "answers of an old version after the acknowledgement",
                found.of(SWAPPING, "old_answers"),
                "",
                at_most(0),
            ),
            Figure("p99, to that without deployments", ratios, "x", at_most(P99_RATIO)),
            Figure(
                "deployment from the cache to the first 200",
                found.of(CACHED, "to_first_200_ms"),
                "ms",
                at_most(CACHED_MS),
            ),
        ],
        tables=[Table(header, rows)],
        notes=["Of the deployments, the first two compile; the others find their code in the cache."],
        failures=found.failures,
        samples=found.plain(),
    )
