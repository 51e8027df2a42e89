"""Heavy requests beside light ones, and how many of the heavy ones a server can do."""

from dataclasses import dataclass

from ... import heavy, load, machine, offload
from ...figures import Figure, Report, Table, at_least, at_most, ratios, spread
from ...rounds import Options, interleave
from ...server import Recipe, running

LIGHT_RATE = 1000
HEAVY_RATE = 10
RATIO = 2.0
LIGHT_P99_MS = 2.0
THROUGHPUT = 0.95

BOTH = ", both cores"


@dataclass(frozen=True)
class Beside:
    """Light requests alone and beside heavy ones, and those; then heavy ones one by one, offloaded and
    inline by turns."""

    alone: load.Latency
    beside: load.Latency
    heavy: heavy.Answered
    closed_per_second: float
    closed_inline_per_second: float


def scenes() -> dict[str, tuple[Recipe, str]]:
    """The server, and who computes."""
    both = machine.BOTH_CORES
    found = {}
    for by in ("fresh", "reuse"):
        found[f"hob {by}"] = offload.hob(f"hob {by}"), by
        found[f"hob {by}{BOTH}"] = offload.hob(f"hob {by}{BOTH}", both), by
    for by in ("piscina", "worker"):
        name = {"piscina": "node, piscina", "worker": "node, new Workers"}[by]
        found[name] = offload.node(name), by
    found[f"node, piscina{BOTH}"] = offload.node(f"node, piscina{BOTH}", both), "piscina"
    found["hob inline"] = offload.hob("hob inline"), "inline"
    found[f"hob inline{BOTH}"] = offload.hob(f"hob inline{BOTH}", both), "inline"
    found["node inline"] = offload.node("node inline"), "inline"
    return found


def measure(recipe: Recipe, by: str, seconds: float) -> Beside:
    work, inline = offload.heavy(by), offload.heavy("inline")
    with running(recipe, bound_seconds=4 * seconds + 120) as server:
        heavy.by_turns(server, (work, inline), 1)
        alone = load.latency(server, recipe.path, LIGHT_RATE, seconds)
        offered = heavy.Offered(server, work, HEAVY_RATE)
        try:
            beside = load.latency(server, recipe.path, LIGHT_RATE, seconds)
        finally:
            offered.stopped.set()
        answered = offered.stop()
        closed = heavy.by_turns(server, (work, inline), seconds)
        server.check()
    return Beside(alone, beside, answered, *closed)


def run(options: Options) -> Report:
    rounds, seconds = options.rounds_or(3, 1), options.seconds_or(10, 4)
    all_scenes = scenes()
    found = interleave(
        options,
        [recipe for recipe, _ in all_scenes.values()],
        rounds,
        lambda recipe: measure(recipe, all_scenes[recipe.name][1], seconds),
    )

    def of(name: str, part: str, attribute: str) -> list[float | None]:
        samples = found.all_of(name, part)
        return [getattr(one, attribute) if one else None for one in samples]

    def there(name: str, part: str, attribute: str) -> list[float]:
        return [value for value in of(name, part, attribute) if value is not None]

    figures = []
    for cores in ("", BOTH):
        inline = f"hob inline{cores}"
        for name in (f"hob fresh{cores}", f"hob reuse{cores}"):
            beside, alone = of(name, "beside", "p99"), of(name, "alone", "p99")
            open_loop = ratios(of(name, "heavy", "per_second"), of(inline, "heavy", "per_second"))
            closed = ratios(
                found.all_of(name, "closed_per_second"),
                found.all_of(name, "closed_inline_per_second"),
            )
            figures += [
                Figure(f"{name}: light p99 beside / alone", ratios(beside, alone), "x", at_most(RATIO)),
                Figure(f"{name}: light p99", there(name, "beside", "p99"), "ms", at_most(LIGHT_P99_MS)),
                Figure(f"{name}: {HEAVY_RATE} heavy/s / inline", open_loop, "x", at_least(THROUGHPUT)),
                Figure(f"{name}: heavy one by one / inline", closed, "x", at_least(THROUGHPUT)),
            ]
    header = ["server", "light alone p50, ms", "p99, ms", "light beside p50, ms", "p99, ms"]
    header += ["worst, ms", "heavy/s", "p50, ms", "worst, ms", "heavy/s one by one", "inline"]
    rows = [
        [
            name,
            spread(there(name, "alone", "p50")),
            spread(there(name, "alone", "p99")),
            *(spread(there(name, "beside", attribute)) for attribute in ("p50", "p99", "worst")),
            *(spread(there(name, "heavy", one)) for one in ("per_second", "p50", "worst")),
            spread(found.of(name, "closed_per_second")),
            spread(found.of(name, "closed_inline_per_second")),
        ]
        for name in all_scenes
    ]
    return Report(
        title=f"{LIGHT_RATE:,} light requests/s beside {HEAVY_RATE} that hash for "
        f"{offload.WORK_MS:g} ms, {rounds} rounds of {seconds:g} s",
        figures=figures,
        tables=[Table(header, rows)],
        notes=[
            "Light and heavy requests fall due at fixed times, and a latency begins then. One by one: "
            "one client, nothing beside, which asks for one offloaded and one inline by turns. One "
            "thread for jobs each. All threads of a server share a core, or, where it says so, both "
            "cores with the load."
        ],
        failures=found.failures,
        samples=found.plain(),
    )
