"""Ten thousand requests at once, each asleep for five seconds: what waiting costs."""

import time
from dataclasses import dataclass

from .. import process, recipes
from ..build import example, guest
from ..crowd import crowd
from ..figures import Figure, Report, Table, at_most, number, spread
from ..rounds import Options, interleave
from ..server import Failure, Recipe, running

COUNT = 10_000
SLEEP_SECONDS = 5.0
LOOK_SECONDS = 4.0
PATH = f"/sleep?ms={SLEEP_SECONDS * 1000:.0f}"
TARGETS = {"hob fast shared": 16.0, "hob fast fresh": 56.0, "hob 0.2 fresh": 56.0}
LAST_SECONDS = 5.5

# What `wasmtime serve` needs to admit all: by default it takes 1,000 connections.
ADMIT = ("--max-concurrent-connections=11000", "--max-concurrent-requests=11000")
POOL = (
    "-Opooling-total-component-instances=11000",
    "-Opooling-total-core-instances=44000",
    "-Opooling-total-memories=11000",
    "-Opooling-total-tables=33000",
    "-Opooling-total-stacks=11000",
)
ONE_INSTANCE = (
    "--max-instance-concurrent-reuse-count=16384",
    "--max-instance-reuse-count=1000000",
)


@dataclass(frozen=True)
class Wave:
    """One wave of requests."""

    answered: int
    other: dict[str, int]
    last_answer: float
    shortest: float
    kb_per_request: float
    page_tables_kb: float
    # How long the client took to send, and its CPU time while it received.
    sending: float
    client_cpu: float


def servers() -> list[Recipe]:
    sleep, p2, p3 = example("sleep"), guest("kitchen_0_2"), guest("kitchen_0_3")
    awake = {"path": "/", "body": b"slept 0 ms\n"}

    def peer(name: str, component: str, *flags: str) -> Recipe:
        return recipes.wasmtime(name, component, *flags, path="/hello")

    return [
        recipes.hob("hob fast shared", sleep, "shared", **awake),
        recipes.hob("hob fast fresh", sleep, "fresh", **awake),
        recipes.hob("hob 0.2 fresh", p2, "fresh", path="/hello"),
        recipes.hob("hob 0.3 shared", p3, "shared", path="/hello"),
        peer("wasmtime serve 0.2", p2),
        peer("wasmtime serve 0.2, admitting", p2, *ADMIT, *POOL),
        peer("wasmtime serve 0.3", p3),
        peer("wasmtime serve 0.3, admitting", p3, *ADMIT, *POOL),
        peer("wasmtime serve 0.3, admitting, one instance", p3, *ADMIT, *POOL, *ONE_INSTANCE),
    ]


def measure(recipe: Recipe) -> Wave:
    """A server of its own for each wave: what a wave before has touched stays resident."""
    with running(recipe, bound_seconds=180) as server:
        before = process.memory_bytes(server.pid)
        with crowd("burst", server, PATH, COUNT) as swarm:
            sent = swarm.wait_for("sent")
            time.sleep(max(0.0, LOOK_SECONDS - sent["sending"]))
            server.check_alive()
            during = process.memory_bytes(server.pid)
            received = swarm.wait_for("received")
            done = swarm.wait_for("done")
        server.check_alive()
    answered = done["statuses"].pop("200", 0)
    if answered and done["shortest"] < SLEEP_SECONDS * 0.999:
        raise Failure(f"{recipe.name}: an answer after {done['shortest']} s: it has not slept")
    each = max(1, answered)
    return Wave(
        answered=answered,
        other=done["statuses"],
        last_answer=done["last_answer"],
        shortest=done["shortest"],
        kb_per_request=(during["resident"] - before["resident"]) / each / 1000,
        page_tables_kb=(during["page_tables"] - before["page_tables"]) / each / 1000,
        sending=sent["sending"],
        client_cpu=received["client_cpu"],
    )


def prepare() -> None:
    servers()


def run(options: Options) -> Report:
    rounds = options.rounds_or(3, 1)
    found = interleave(options, servers(), rounds, measure)
    figures = []
    for name, bound in TARGETS.items():
        unanswered = [COUNT - count for count in found.of(name, "answered")]
        figures += [
            Figure(f"{name}: not answered 200", unanswered, "", at_most(0)),
            Figure(
                f"{name}: the last answer after",
                found.of(name, "last_answer"),
                "s",
                at_most(LAST_SECONDS),
            ),
            Figure(
                f"{name}: memory per request in flight",
                found.of(name, "kb_per_request"),
                "KB",
                at_most(bound),
            ),
        ]
    header = ["server", "answered 200", "other", "last answer, s", "KB each", "page tables, KB"]
    rows = [
        [
            name,
            spread(found.of(name, "answered")),
            _others(found.of(name, "other")),
            spread(found.of(name, "last_answer")),
            spread(found.of(name, "kb_per_request")),
            spread(found.of(name, "page_tables_kb")),
        ]
        for name in found.samples
    ]
    client = [one for waves in found.samples.values() for one in waves if one]
    sending = max((one.sending for one in client), default=0)
    cpu = max((one.client_cpu for one in client), default=0)
    return Report(
        title=f"sleepers: {COUNT:,} requests at once, each asleep {SLEEP_SECONDS:g} s, "
        f"{rounds} rounds",
        figures=figures,
        tables=[Table(header, rows)],
        notes=[
            "KB (1,000 bytes) each: growth of the server's resident set, connections included, "
            f"{LOOK_SECONDS:g} s after the first was sent, by those answered 200; page tables are "
            "the kernel's and not in it.",
            f"The client took at most {number(sending, 's')} to send, and {number(cpu, 's')} of "
            "CPU to receive: its own share of the time beyond the sleep.",
        ],
        failures=found.failures,
        samples=found.plain(),
    )


def _others(rounds: list[dict[str, int]]) -> str:
    told = {f"{status}: {count:,}" for other in rounds for status, count in other.items()}
    return ", ".join(sorted(told)) or "-"
