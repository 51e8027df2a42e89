"""The loads: wrk for what a server can do at most, oha for latency at a fixed rate."""

import csv
import re
import subprocess
from dataclasses import dataclass

from . import machine, process, tools
from .server import ADDRESS, Failure, Server, pinned


@dataclass(frozen=True)
class Throughput:
    """What one run of wrk found."""

    requests_per_second: float
    cpu_us_per_request: float
    # Of its core: the server's, and that of everybody else, the hypervisor included.
    server_share: float
    others_share: float
    load_share: float


def throughput(server: Server, seconds: float, connections: int = 32) -> Throughput:
    """A closed loop: wrk's latency says nothing and is not taken."""
    url = f"http://{ADDRESS}:{server.port}{server.recipe.path}"
    whole = max(1, round(seconds))
    command = [tools.wrk(), "-t1", f"-c{connections}", f"-d{whole}s"]
    # A stall of the machine is not a failure of the server.
    command += ["--timeout", "10s", url]
    cpu_before = process.cpu_seconds(server.pid)
    core_before = machine.ticks(machine.SERVER_CORE)
    load_before = machine.ticks(machine.LOAD_CORE)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=whole + 30,
        preexec_fn=pinned(machine.LOAD_CORE),
    )
    server.check_alive()
    cpu = process.cpu_seconds(server.pid) - cpu_before
    core = machine.ticks(machine.SERVER_CORE)
    load = machine.ticks(machine.LOAD_CORE)
    requests, elapsed = _read_wrk(server, done)
    span = max(1, core["all"] - core_before["all"])
    taken = core["busy"] + core["steal"] - core_before["busy"] - core_before["steal"]
    load_span = max(1, load["all"] - load_before["all"])
    share = cpu * process.TICKS_PER_SECOND / span
    return Throughput(
        requests_per_second=requests / elapsed,
        cpu_us_per_request=cpu / requests * 1e6,
        server_share=share,
        others_share=max(0.0, taken / span - share),
        load_share=(load["busy"] - load_before["busy"]) / load_span,
    )


def _read_wrk(server: Server, done: subprocess.CompletedProcess) -> tuple[int, float]:
    name = server.recipe.name
    if done.returncode != 0:
        raise Failure(f"{name}: wrk failed: {done.stderr.strip()}")
    if wrong := re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: .*", done.stdout):
        raise Failure(f"{name}: {wrong.group(0)}")
    counted = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m),", done.stdout)
    if counted is None or int(counted.group(1)) == 0:
        raise Failure(f"{name}: wrk counted no request: {done.stdout.strip()}")
    unit = {"ms": 1e-3, "s": 1.0, "m": 60.0}[counted.group(3)]
    return int(counted.group(1)), float(counted.group(2)) * unit


# As many connections as requests fall due in a quarter of a second: a server that stands still for
# less does not keep the loop from being open.
CONNECTIONS = 256
# The client opens its connections with its first requests, one each: which would be a hundredth and
# more of all that are measured, and so all that the 99th percentile shows.
OPENING_SECONDS = 1.0


@dataclass(frozen=True)
class Latency:
    """Milliseconds, from when a request should have been sent, on connections that are open."""

    p50: float
    p99: float
    p999: float
    worst: float
    requests_per_second: float
    # Of the requests sent while the client opened its connections, which the others leave out.
    opening_p99: float


def latency(server: Server, path: str, rate: int, seconds: float) -> Latency:
    """An open loop: a request that waits for its turn to be sent counts as waiting. It takes
    OPENING_SECONDS more than those that are measured."""
    url = f"http://{ADDRESS}:{server.port}{path}"
    count = round(rate * (OPENING_SECONDS + seconds))
    command = [tools.oha(), "--no-tui", "--output-format", "csv", "--latency-correction"]
    # By number: what fell due and was not answered at the end is waited for, or the slowest would not
    # count.
    command += ["-q", str(rate), "-c", str(CONNECTIONS), "-n", str(count), url]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=OPENING_SECONDS + seconds + 60,
        preexec_fn=pinned(machine.LOAD_CORE),
    )
    server.check_alive()
    if done.returncode != 0:
        raise Failure(f"{server.recipe.name}: oha failed: {done.stderr.strip()}")
    return _read_oha(server, done.stdout, count)


def _read_oha(server: Server, said: str, count: int) -> Latency:
    answers = list(csv.DictReader(said.splitlines()))
    refused = {one["status"] for one in answers} - {"200"}
    # Those without an answer are not among them.
    if refused or len(answers) != count:
        name = server.recipe.name
        raise Failure(f"{name}: {len(answers)} of {count} answered, statuses not 200: {refused}")
    opening, measured, last = [], [], 0.0
    for one in answers:
        start, took = float(one["request-start"]), float(one["request-duration"])
        (opening if start < OPENING_SECONDS else measured).append(took * 1e3)
        last = max(last, start)
    opening.sort()
    measured.sort()
    if not (opening and measured):
        raise Failure(f"{server.recipe.name}: too few requests to measure: {count}")
    return Latency(
        p50=_percentile(measured, 0.5),
        p99=_percentile(measured, 0.99),
        p999=_percentile(measured, 0.999),
        worst=measured[-1],
        requests_per_second=len(measured) / max(last - OPENING_SECONDS, 1e-9),
        opening_p99=_percentile(opening, 0.99),
    )


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
