"""What it costs to read a file and answer with it: a small one whole, a large one as a stream."""

from .. import load, recipes, tools
from ..figures import Figure, Report, Table, at_least, ratios, spread
from ..rounds import Options, interleave
from ..server import Recipe, running

SMALL_BYTES = 4096
LARGE_BYTES = 1_000_000

# The path, the file's bytes, the least ratio of requests/s to Node's.
FILES = (("small", SMALL_BYTES, 2.0), ("large", LARGE_BYTES, 1.0))


def servers() -> list[Recipe]:
    data = recipes.scratch("files-data")
    folder = data / "default" / "files"
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name, size, _ in FILES:
        body = bytes(at % 251 for at in range(size))
        (folder / name).write_bytes(body)
        found.append(recipes.capable(f"hob, {name}", f"/{name}", body, data))
        script = "node-files.js"
        found.append(recipes.node(f"node, {name}", script, str(folder), path=f"/{name}", body=body))
    return found


def prepare() -> None:
    servers()
    tools.wrk()


def run(options: Options) -> Report:
    rounds, seconds = options.rounds_or(5, 1), options.seconds_or(5, 2)

    def measure(recipe: Recipe) -> load.Throughput:
        with running(recipe, bound_seconds=seconds + 120) as server:
            load.throughput(server, 1)
            found = load.throughput(server, seconds)
            server.check()
            return found

    found = interleave(options, servers(), rounds, measure)
    figures = []
    for name, size, bound in FILES:
        one, two = (found.all_of(f"{who}, {name}", "requests_per_second") for who in ("hob", "node"))
        cpu, other = (found.all_of(f"{who}, {name}", "cpu_us_per_request") for who in ("hob", "node"))
        figure = f"file of {size:,} bytes / node"
        figures.append(Figure(figure, ratios(one, two), "x", at_least(bound), ratios(other, cpu)))
    rows = [
        [
            name,
            spread(found.of(name, "requests_per_second")),
            spread(found.of(name, "cpu_us_per_request")),
        ]
        for name in found.samples
    ]
    return Report(
        title=f"files: one core, `wrk -t1 -c32`, {rounds} rounds of {seconds:g} s",
        figures=figures,
        tables=[Table(["server", "requests/s", "CPU us per request"], rows)],
        failures=found.failures,
        samples=found.plain(),
    )
