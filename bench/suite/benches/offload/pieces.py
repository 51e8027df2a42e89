"""The work in pieces, joined: how much faster than one after the other in the handler."""

from dataclasses import dataclass

from ... import machine, offload
from ...figures import Figure, Report, Table, ratios, spread
from ...heavy import told
from ...rounds import Options, interleave
from ...server import Recipe, running

PIECES = 8
THREADS = (1, 2)


@dataclass(frozen=True)
class Pieces:
    """Milliseconds for all, by the handler's clock."""

    inline_ms: float
    offloaded_ms: float


def servers() -> dict[str, tuple[Recipe, str]]:
    """On both cores: the load does nothing while they compute."""
    found = {}
    for name, make, by in (("hob", offload.hob, "reuse"), ("node, piscina", offload.node, "piscina")):
        for threads in THREADS:
            full = f"{name}, {threads} thread{'s' if threads > 1 else ''}"
            found[full] = make(full, machine.BOTH_CORES, threads), by
    return found


def measure(recipe: Recipe, by: str) -> Pieces:
    def ms(way: str) -> float:
        path = f"/pieces?by={way}&n={PIECES}&rounds={offload.rounds()}"
        return told(server, path) / 1e3

    with running(recipe, bound_seconds=120) as server:
        for way in ("inline", by):
            ms(way)
        inline, offloaded = ms("inline"), ms(by)
        server.check()
    return Pieces(inline, offloaded)


def run(options: Options) -> Report:
    rounds = options.rounds_or(5, 2)
    all_servers = servers()
    found = interleave(
        options,
        [recipe for recipe, _ in all_servers.values()],
        rounds,
        lambda recipe: measure(recipe, all_servers[recipe.name][1]),
    )

    def faster(name: str) -> list[float]:
        return ratios(found.all_of(name, "inline_ms"), found.all_of(name, "offloaded_ms"))

    header = [f"{PIECES} pieces of {offload.WORK_MS:g} ms", "inline, ms", "offloaded, ms", "faster"]
    rows = [
        [
            name,
            spread(found.of(name, "inline_ms")),
            spread(found.of(name, "offloaded_ms")),
            spread(faster(name), "x"),
        ]
        for name in all_servers
    ]
    return Report(
        title=f"{PIECES} pieces joined",
        figures=[
            Figure(f"{name}: {PIECES} pieces, inline / offloaded", faster(name), "x")
            for name in all_servers
            if name.startswith("hob")
        ],
        tables=[Table(header, rows)],
        notes=["Pieces: the server has both cores, and the load does nothing meanwhile."],
        failures=found.failures,
        samples=found.plain(),
    )
