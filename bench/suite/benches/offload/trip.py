"""There and back: of a job that does nothing, and of one that gives back a megabyte."""

from dataclasses import dataclass

from ... import machine, offload
from ...figures import Figure, Report, Table, at_least, at_most, ratios, spread
from ...heavy import told
from ...rounds import Options, interleave
from ...server import Recipe, running

FRESH_US = 100.0
REUSE_US = 40.0
MEGABYTE_MS = 1.5
WORKERS = 20.0

HOB, HOB_BOTH = "hob", "hob, both cores"
NODE, NODE_BOTH = "node", "node, both cores"

# Who makes an instance or a thread for each job, and who keeps it; and how many jobs of each kind say
# something in a second.
NEW = {HOB: ("fresh", 2000, 300), NODE: ("worker", 20, 20)}
KEPT = {HOB: ("reuse", 2000, 300), NODE: ("piscina", 2000, 300)}


@dataclass(frozen=True)
class Trip:
    """Microseconds of a job, the mean of many that follow one another, by the handler's clock."""

    new_us: float
    kept_us: float
    new_megabyte_us: float
    kept_megabyte_us: float


def measure(recipe: Recipe) -> Trip:
    kind = recipe.name.partition(",")[0]
    with running(recipe, bound_seconds=120) as server:
        found = []
        for by, empty, megabyte in (NEW[kind], KEPT[kind]):
            for path, count in (("empty", empty), ("megabyte", megabyte)):
                told(server, f"/{path}?by={by}&n={max(3, count // 5)}")
                found.append(told(server, f"/{path}?by={by}&n={count}"))
        server.check()
    new, new_megabyte, kept, kept_megabyte = found
    return Trip(new, kept, new_megabyte, kept_megabyte)


def servers() -> list[Recipe]:
    both = machine.BOTH_CORES
    return [
        offload.hob(HOB),
        offload.node(NODE),
        offload.hob(HOB_BOTH, both),
        offload.node(NODE_BOTH, both),
    ]


def run(options: Options) -> Report:
    rounds = options.rounds_or(7, 2)
    found = interleave(options, servers(), rounds, measure)

    def over_empty(name: str, which: str) -> list[float]:
        trips = [one for one in found.samples[name] if one]
        whole = [getattr(one, f"{which}_megabyte_us") for one in trips]
        empty = [getattr(one, f"{which}_us") for one in trips]
        return [(one - other) / 1e3 for one, other in zip(whole, empty, strict=True)]

    figures = []
    for hob, node in ((HOB, NODE), (HOB_BOTH, NODE_BOTH)):
        workers = ratios(found.all_of(node, "new_us"), found.all_of(hob, "new_us"))
        pool = ratios(found.all_of(node, "kept_us"), found.all_of(hob, "kept_us"))
        figures += [
            Figure(f"{hob} fresh: empty job", found.of(hob, "new_us"), "us", at_most(FRESH_US)),
            Figure(f"{hob} reuse: empty job", found.of(hob, "kept_us"), "us", at_most(REUSE_US)),
            Figure(f"{hob} fresh: empty job, {node} new Worker / it", workers, "x", at_least(WORKERS)),
            Figure(f"{hob} reuse: empty job, {node} piscina / it", pool, "x"),
            *(
                Figure(
                    f"{hob} {by}: 1 MB in, 1 MB out, over the empty job",
                    over_empty(hob, which),
                    "ms",
                    at_most(MEGABYTE_MS),
                )
                for by, which in (("fresh", "new"), ("reuse", "kept"))
            ),
        ]
    header = ["a job there and back", "empty, us", "1 MB in and out over it, ms"]
    rows = [
        [
            f"{kind} {of[kind][0]}{name.removeprefix(kind)}",
            spread(found.of(name, f"{which}_us")),
            spread(over_empty(name, which)),
        ]
        for name in found.samples
        for kind in (name.partition(",")[0],)
        for which, of in (("new", NEW), ("kept", KEPT))
    ]
    return Report(
        title=f"jobs that do nothing, {rounds} rounds",
        figures=figures,
        tables=[Table(header, rows)],
        notes=[
            "A job there and back: one after the other, by the handler's clock. Hob copies the "
            "megabyte from instance to instance; Node moves it, as its ways to call allow."
        ],
        failures=found.failures,
        samples=found.plain(),
    )
