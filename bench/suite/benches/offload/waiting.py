"""What a hundred jobs cost that have begun and wait."""

import contextlib
import http.client
from dataclasses import dataclass

from ... import offload, process
from ...figures import Figure, Report, Table, at_least, ratios, spread
from ...rounds import Options, interleave
from ...server import ADDRESS, Failure, Recipe, Server, running

COUNT = 100
HELD_MS = 2000
RATIO = 20.0

HOB, NODE = "hob fresh", "node, Workers"
WAYS = {HOB: "fresh", NODE: "worker"}


@dataclass(frozen=True)
class Growth:
    """Of the resident set, and of the kernel's page tables, by each job."""

    kb_each: float
    page_tables_kb: float


def measure(recipe: Recipe) -> Growth:
    """After one such job: what the first one loads is not what each one costs."""
    by = WAYS[recipe.name]
    with running(recipe, bound_seconds=120) as server:
        _while_they_wait(server, by, 1, 1)
        before = process.memory_bytes(server.pid)
        during = _while_they_wait(server, by, COUNT, HELD_MS)
        server.check()
    each = {name: (during[name] - before[name]) / COUNT / 1000 for name in before}
    return Growth(each["resident"], each["page_tables"])


def _while_they_wait(server: Server, by: str, count: int, ms: int) -> dict[str, int]:
    """The memory of the server when all have begun and none has ended."""
    path = f"/waiting?by={by}&n={count}&ms={ms}"
    connection = http.client.HTTPConnection(ADDRESS, server.port, timeout=60)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            first = response.readline()
            found = process.memory_bytes(server.pid)
            rest = response.read()
        except (OSError, http.client.HTTPException) as fault:
            raise Failure(f"{server.recipe.name}: {path}: {fault!r}") from fault
    if (response.status, first, rest) != (200, b"begun\n", b"over\n"):
        raise Failure(f"{server.recipe.name}: {path}: {response.status} {first + rest!r}")
    return found


def servers() -> list[Recipe]:
    return [offload.hob(HOB), offload.node(NODE)]


def run(options: Options) -> Report:
    rounds = options.rounds_or(3, 1)
    found = interleave(options, servers(), rounds, measure)
    ratio = ratios(found.all_of(NODE, "kb_each"), found.all_of(HOB, "kb_each"))
    header = [f"{COUNT} jobs that wait", "KB each", "page tables, KB"]
    rows = [
        [name, spread(found.of(name, "kb_each")), spread(found.of(name, "page_tables_kb"))]
        for name in found.samples
    ]
    return Report(
        title=f"{COUNT} jobs that wait",
        figures=[
            Figure(
                f"memory of {COUNT} jobs at once, Node's Workers / hob fresh",
                ratio,
                "x",
                at_least(RATIO),
            )
        ],
        tables=[Table(header, rows)],
        notes=[
            "KB (1,000 bytes) each: growth of the resident set while all have begun and wait for a "
            "message; one has come and gone before. Page tables are the kernel's and not in it."
        ],
        failures=found.failures,
        samples=found.plain(),
    )
