"""Point queries by primary key in a table of a million rows, and light requests beside them."""

import sqlite3
import threading
from dataclasses import dataclass

from .. import load, recipes, tools
from ..figures import Figure, Report, Table, at_least, at_most, ratios, spread
from ..rounds import Options, interleave
from ..server import Recipe, Server, running

ROWS = 1_000_000
NAME = "the name of an item, as long as names are"
LIGHT_RATE = 500
LIGHT_P99_MS = 2.0

# The server, what it is compared with, the least ratio of requests/s.
TARGETS = (
    ("point query / node with sqlite3", "hob", "node, sqlite3", 3.0),
    ("point query / node with better-sqlite3", "hob", "node, better-sqlite3", 0.8),
)


@dataclass(frozen=True)
class Queries:
    """A full load of queries; and the light requests beside another."""

    full: load.Throughput
    light: load.Latency


def servers() -> list[Recipe]:
    data = recipes.scratch("sql-data")
    database = data / "default" / "sql" / "main.db"
    if not database.exists():
        database.parent.mkdir(parents=True)
        connection = sqlite3.connect(database)
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table items (id integer primary key, name text not null)")
        rows = ((at, NAME) for at in range(ROWS))
        connection.executemany("insert into items values (?, ?)", rows)
        connection.commit()
        connection.close()
    body, modules = NAME.encode(), tools.node_sqlite()
    found = [recipes.capable("hob", "/query", body, data)]
    for package in ("sqlite3", "better-sqlite3"):
        arguments = (str(database), package, modules)
        name = f"node, {package}"
        found.append(recipes.node(name, "node-sql.js", *arguments, path="/query", body=body))
    return found


def prepare() -> None:
    servers()
    tools.wrk()
    tools.oha()


def beside(server: Server, seconds: float) -> load.Latency:
    """Light requests while the queries go on, half as many connections as at full load."""
    heavy = threading.Thread(target=load.throughput, args=(server, seconds + 2, 16))
    heavy.start()
    path = server.recipe.path.replace("/query", "/hello")
    light = load.latency(server, path, LIGHT_RATE, seconds)
    heavy.join()
    return light


def run(options: Options) -> Report:
    rounds, seconds = options.rounds_or(5, 1), options.seconds_or(5, 3)

    def measure(recipe: Recipe) -> Queries:
        with running(recipe, bound_seconds=2 * seconds + 150) as server:
            load.throughput(server, 2)
            full = load.throughput(server, seconds)
            light = beside(server, seconds)
            server.check()
            return Queries(full, light)

    found = interleave(options, servers(), rounds, measure)

    def of(name: str, attribute: str) -> list[float | None]:
        samples = found.all_of(name, "full")
        return [getattr(one, attribute) if one else None for one in samples]

    def light(name: str, attribute: str) -> list[float]:
        return [getattr(one, attribute) for one in found.of(name, "light")]

    figures = []
    for figure, server, other, bound in TARGETS:
        requests = ratios(of(server, "requests_per_second"), of(other, "requests_per_second"))
        cpu = ratios(of(other, "cpu_us_per_request"), of(server, "cpu_us_per_request"))
        figures.append(Figure(figure, requests, "x", at_least(bound), cpu))
    p99 = light("hob", "p99")
    figures.append(Figure("light p99 beside the queries, hob", p99, "ms", at_most(LIGHT_P99_MS)))
    header = ["server", "queries/s", "CPU us per query", "light p50, ms", "light p99, ms"]
    rows = [
        [
            name,
            spread([value for value in of(name, "requests_per_second") if value]),
            spread([value for value in of(name, "cpu_us_per_request") if value]),
            spread(light(name, "p50")),
            spread(light(name, "p99")),
        ]
        for name in found.samples
    ]
    return Report(
        title=f"sql: point queries in {ROWS:,} rows, one core, {rounds} rounds of {seconds:g} s",
        figures=figures,
        tables=[Table(header, rows)],
        notes=[
            "Queries by `wrk -t1 -c32`. Beside another load of them, by 16 connections without "
            f"pause, {LIGHT_RATE} light requests/s; both clients share one core."
        ],
        failures=found.failures,
        samples=found.plain(),
    )
