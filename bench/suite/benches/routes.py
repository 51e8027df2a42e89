"""What it costs to find a route among ten thousand."""

import json
import subprocess
from dataclasses import dataclass

from .. import build, machine
from ..figures import Figure, Report, at_most
from ..rounds import Options, interleave
from ..server import Failure, Recipe, pinned

LOOK_UP_NS = 1000.0
NAME = "hob"


@dataclass(frozen=True)
class LookUp:
    """Nanoseconds of a look-up."""

    hosts_ns: float
    paths_ns: float
    astray_ns: float


def measure(_: Recipe) -> LookUp:
    command = [build.programs()["hob-bench-native"], "routes"]
    prepare_child = pinned(machine.SERVER_CORE)
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, preexec_fn=prepare_child
    )
    if done.returncode != 0:
        raise Failure(f"routes: {done.stderr.strip()}")
    return LookUp(**json.loads(done.stdout))


def prepare() -> None:
    build.programs()


def run(options: Options) -> Report:
    rounds = options.rounds_or(5, 1)
    found = interleave(options, [Recipe(NAME, ())], rounds, measure)
    target = at_most(LOOK_UP_NS)
    return Report(
        title=f"routes: a look-up among 10,000, {rounds} rounds",
        figures=[
            Figure("1,000 hosts of 10 routes", found.of(NAME, "hosts_ns"), "ns", target),
            Figure("one host, two parameters", found.of(NAME, "paths_ns"), "ns", target),
            Figure("literals that lead astray", found.of(NAME, "astray_ns"), "ns", target),
        ],
        notes=["The router by itself, without a server around it."],
        failures=found.failures,
        samples=found.plain(),
    )
