"""What it costs to have a host thread do nothing."""

import json
import subprocess
from dataclasses import dataclass

from .. import build, machine
from ..figures import Figure, Report, at_most
from ..rounds import Options, interleave
from ..server import Failure, Recipe, pinned

ALONE_US = 15.0
TOGETHER_US = 3.0
NAME = "hob"


@dataclass(frozen=True)
class Hop:
    """Microseconds there and back."""

    alone_us: float
    together_us: float
    at_once_us: float


def measure(_: Recipe) -> Hop:
    command = [build.programs()["hob-bench-native"], "hop"]
    prepare_child = pinned(machine.SERVER_CORE)
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, preexec_fn=prepare_child
    )
    if done.returncode != 0:
        raise Failure(f"hop: {done.stderr.strip()}")
    return Hop(**json.loads(done.stdout))


def prepare() -> None:
    build.programs()


def run(options: Options) -> Report:
    rounds = options.rounds_or(5, 1)
    found = interleave(options, [Recipe(NAME, ())], rounds, measure)
    return Report(
        title=f"hop: a job that does nothing, on a host thread and back, {rounds} rounds",
        figures=[
            Figure("a hop alone", found.of(NAME, "alone_us"), "us", at_most(ALONE_US)),
            Figure("a hop, 64 at once", found.of(NAME, "together_us"), "us", at_most(TOGETHER_US)),
            Figure(
                "a hop, 64 at once, each begun at once",
                found.of(NAME, "at_once_us"),
                "us",
                at_most(TOGETHER_US),
            ),
        ],
        notes=[
            "The loop and its four host threads share one core. Jobs of the host's own tasks, and of guests "
            "that share an instance, are handed out together. Those of a guest with an instance of its own, and of a "
            "database, are begun at once, with two switches of threads for each: the call as a whole costs less "
            "than with a guest that is suspended."
        ],
        failures=found.failures,
        samples=found.plain(),
    )
