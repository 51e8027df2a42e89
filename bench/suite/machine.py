"""The machine a run is measured on: which cores are used, and what else goes on.

A figure from a shared machine is worth what is known about its neighbours, so the state of the
machine is part of every result.
"""

import os
import resource
import time
from pathlib import Path


def cores() -> tuple[int, int]:
    """The core of the server and the core of the load: never the same, never another one."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        raise SystemExit("bench: two cores are needed: one for the server, one for the load")
    return available[0], available[1]


# Taken before the harness confines itself to one of them.
SERVER_CORE, LOAD_CORE = cores()
BOTH_CORES = (SERVER_CORE, LOAD_CORE)
QUIET_SHARE = 0.1
QUIET_LOOK_SECONDS = 0.3
CORES = len(os.sched_getaffinity(0))


def raise_descriptor_limit() -> int:
    """Servers and clients inherit it: no peer is to fail for the shell's soft limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def name() -> str:
    """The CPU's model and the number of cores; nothing else of the machine is told."""
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{model}, {CORES} cores"


def load_average() -> float:
    """How many tasks wanted a core in the last minute."""
    return os.getloadavg()[0]


def ticks(core: int) -> dict[str, int]:
    """Clock ticks of a core since boot: the busy ones, those stolen by the hypervisor, all."""
    prefix = f"cpu{core} "
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(prefix):
            fields = [int(field) for field in line.split()[1:9]]
            user, nice, system, idle, wait, irq, softirq, steal = fields
            busy = user + nice + system + irq + softirq
            return {"busy": busy, "steal": steal, "all": sum(fields)}
    raise RuntimeError(f"core {core} is not in /proc/stat")


def wait_for_quiet(limit_seconds: float) -> float:
    """Waits while others are at work on the two cores, but not for ever; says how long it was."""
    start = time.monotonic()
    while time.monotonic() - start < limit_seconds:
        before = [ticks(core) for core in (SERVER_CORE, LOAD_CORE)]
        time.sleep(QUIET_LOOK_SECONDS)
        after = [ticks(core) for core in (SERVER_CORE, LOAD_CORE)]
        if all(_busy(*pair) < QUIET_SHARE for pair in zip(before, after, strict=True)):
            break
    return time.monotonic() - start


def _busy(before: dict[str, int], after: dict[str, int]) -> float:
    taken = after["busy"] + after["steal"] - before["busy"] - before["steal"]
    return taken / max(1, after["all"] - before["all"])
