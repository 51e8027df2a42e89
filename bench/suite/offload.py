"""Who offloads, and the work: the same hashing for all, for so many milliseconds of this machine."""

import hashlib
from functools import cache

from . import build, machine, recipes, tools
from .heavy import Heavy, told
from .recipes import scratch
from .server import Recipe, running

WORK_MS = 50.0
CALIBRATION_ROUNDS = 100_000
CALIBRATIONS = 7

ONE_CORE = (machine.SERVER_CORE,)


def hob(name: str, cores: tuple[int, ...] = ONE_CORE, threads: int = 1) -> Recipe:
    """Hob with a handler that offloads to the same module in both isolations."""
    file = scratch(f"offload-{threads}") / "hob.toml"
    modules = "\n".join(
        f"""
        [[module]]
        name = "{isolation}"
        file = "{build.bench_guest("work")}"
        isolation = "{isolation}"
        [module.limits]
        memory_mib = 256
        cpu_ms = 60000
        wall_ms = 120000
        wait_ms = 10000
        input_mib = 16
        output_mib = 16
        """
        for isolation in ("fresh", "reuse")
    )
    file.write_text(
        f"""
        [server]
        offload_threads = {threads}
        {modules}
        [[handler]]
        name = "hello"
        component = "{build.example("hello")}"
        [[handler]]
        name = "offloader"
        path = "/"
        component = "{build.bench_guest("offloader")}"
        limits = {{ cpu_ms = 60000, wall_ms = 120000 }}
        grants = {{ offload = ["fresh", "reuse"] }}
        """
    )
    return recipes.hob(name, file, path="/hello", cores=cores)


def node(name: str, cores: tuple[int, ...] = ONE_CORE, threads: int = 1) -> Recipe:
    """Node with piscina, with a new Worker for each job, and with neither."""
    arguments = (build.chore(), tools.piscina(), str(threads))
    return recipes.node(name, "node-offload.js", *arguments, path="/hello", cores=cores)


@cache
def rounds() -> int:
    """How many hashes take `WORK_MS` in a handler of Hob: the best of some tries, as others only
    ever make it slower."""
    with running(hob("hob, calibration"), bound_seconds=120) as server:
        path = f"/pieces?by=inline&n=1&rounds={CALIBRATION_ROUNDS}"
        best = min(told(server, path) for _ in range(CALIBRATIONS))
    return round(CALIBRATION_ROUNDS * WORK_MS * 1e3 / best)


def heavy(by: str) -> Heavy:
    """A request that hashes for `WORK_MS`, and the beginning of the last hash."""
    return Heavy(f"/hash?by={by}&rounds={rounds()}", _hash(rounds()))


@cache
def _hash(count: int) -> bytes:
    digest = bytes(32)
    for _ in range(count):
        digest = hashlib.sha256(digest).digest()
    return f"{digest[:4].hex()}\n".encode()
