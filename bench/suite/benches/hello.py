"""What one core can do at most: twelve bytes to 32 connections that ask again and again."""

from .. import load, recipes, tools
from ..build import example
from ..figures import Figure, Report, Table, at_least, ratios, spread
from ..rounds import Options, interleave
from ..server import Recipe, running

TUNED = (
    "-Opooling-memory-keep-resident=1048576",
    "-Opooling-table-keep-resident=65536",
    "-Opooling-async-stack-keep-resident=32768",
    "-Opooling-pagemap-scan=auto",
)

# The name of the figure; the server; what it is compared with; the least ratio.
TARGETS = (
    ("fast lane, reuse / node", "hob fast reuse", "node", 1.35),
    ("fast lane, shared / node", "hob fast shared", "node", 1.2),
    ("fast lane, fresh / node", "hob fast fresh", "node", 0.75),
    ("fast lane, fresh / wasmtime serve 0.2", "hob fast fresh", "wasmtime serve 0.2", 5.0),
    ("0.2 fresh / wasmtime serve 0.2", "hob 0.2 fresh", "wasmtime serve 0.2", 4.0),
    ("0.2 reuse / node", "hob 0.2 reuse", "node", 1.05),
    ("0.3 shared / wasmtime serve 0.3", "hob 0.3 shared", "wasmtime serve 0.3", 1.15),
    ("native handler / node", "hob, native handler", "node", 1.7),
    ("native handler / deno", "hob, native handler", "deno serve", 0.95),
    ("access log on / off, fast lane, reuse", "hob fast reuse, access log", "hob fast reuse", None),
    ("0.2 fresh / wasmtime serve 0.2, tuned", "hob 0.2 fresh", "wasmtime serve 0.2, tuned", None),
    ("0.2 reuse / wasmtime serve 0.2, reuse", "hob 0.2 reuse", "wasmtime serve 0.2, reuse", None),
)


def servers() -> list[Recipe]:
    fast, p2, p3 = example("hello"), example("standard_0_2"), example("standard_0_3")
    reused = "--max-instance-reuse-count=100000"
    return [
        recipes.node("node", "node-hello.js"),
        recipes.deno(),
        recipes.hob_native(),
        recipes.hob("hob fast reuse", fast, "reuse"),
        recipes.hob("hob fast reuse, access log", fast, "reuse", log="on"),
        recipes.hob("hob fast shared", fast, "shared"),
        recipes.hob("hob fast fresh", fast, "fresh"),
        recipes.hob("hob 0.2 reuse", p2, "reuse"),
        recipes.hob("hob 0.2 fresh", p2, "fresh"),
        recipes.wasmtime("wasmtime serve 0.2", p2),
        recipes.wasmtime("wasmtime serve 0.2, tuned", p2, *TUNED),
        recipes.wasmtime("wasmtime serve 0.2, reuse", p2, reused),
        recipes.hob("hob 0.3 shared", p3, "shared"),
        recipes.wasmtime("wasmtime serve 0.3", p3),
    ]


def prepare() -> None:
    servers()
    tools.wrk()


def run(options: Options) -> Report:
    rounds, seconds = options.rounds_or(5, 1), options.seconds_or(5, 2)
    warm = min(2.0, seconds)

    def measure(recipe: Recipe) -> load.Throughput:
        with running(recipe, bound_seconds=seconds + warm + 90) as server:
            load.throughput(server, warm)
            found = load.throughput(server, seconds)
            server.check()
            return found

    found = interleave(options, servers(), rounds, measure)
    figures = []
    for name, server, other, bound in TARGETS:
        one, two = (found.all_of(each, "requests_per_second") for each in (server, other))
        cpu, cpu_other = (found.all_of(each, "cpu_us_per_request") for each in (server, other))
        target = at_least(bound) if bound else None
        # Of the CPU time the other way round: less of it is more.
        figures.append(Figure(name, ratios(one, two), "x", target, ratios(cpu_other, cpu)))
    table = Table(
        ["server", "requests/s", "CPU us per request", "server", "others", "load"],
        [
            [
                name,
                spread(found.of(name, "requests_per_second")),
                spread(found.of(name, "cpu_us_per_request")),
                _share(found.of(name, "server_share"), min),
                _share(found.of(name, "others_share"), max),
                _share(found.of(name, "load_share"), max),
            ]
            for name in found.samples
        ],
    )
    return Report(
        title=f"hello: one core, `wrk -t1 -c32`, {rounds} rounds of {seconds:g} s",
        figures=figures,
        tables=[table],
        notes=[
            "server, others: least share of the server's core that the server had, largest that "
            "others took; load: how busy the load's core was at most, whoever it was. Where the "
            "server had less than 95 %, its requests/s are too low and its CPU time decides."
        ],
        failures=found.failures,
        samples=found.plain(),
    )


def _share(shares: list[float], which) -> str:
    return f"{which(shares) * 100:.0f} %" if shares else "failed"
