"""The loads: wrk for what a server can do at most, oha for latency at a fixed rate."""

import json
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


@dataclass(frozen=True)
class Latency:
    """Milliseconds, from when a request should have been sent."""

    p50: float
    p99: float
    p999: float
    worst: float
    requests_per_second: float


def latency(server: Server, path: str, rate: int, seconds: float) -> Latency:
    """An open loop: a request that waits for its turn to be sent counts as waiting."""
    url = f"http://{ADDRESS}:{server.port}{path}"
    # As many connections as requests fall due in a quarter of a second: a server that stands
    # still for less does not keep the loop from being open.
    command = [tools.oha(), "--no-tui", "--output-format", "json", "--latency-correction"]
    # `-w`: what is under way at the end is waited for, or the slowest would not count.
    command += ["-q", str(rate), "-c", "256", "-z", f"{seconds}s", "-w", url]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        preexec_fn=pinned(machine.LOAD_CORE),
    )
    server.check_alive()
    if done.returncode != 0:
        raise Failure(f"{server.recipe.name}: oha failed: {done.stderr.strip()}")
    said = json.loads(done.stdout)
    statuses, errors = said["statusCodeDistribution"], said["errorDistribution"]
    if set(statuses) != {"200"} or errors:
        raise Failure(f"{server.recipe.name}: statuses {statuses}, errors {errors}")
    at = said["latencyPercentiles"]
    return Latency(
        p50=at["p50"] * 1e3,
        p99=at["p99"] * 1e3,
        p999=at["p99.9"] * 1e3,
        worst=said["summary"]["slowest"] * 1e3,
        requests_per_second=said["summary"]["requestsPerSec"],
    )
