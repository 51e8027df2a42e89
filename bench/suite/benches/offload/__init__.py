"""Work that computes on threads of its own, in four parts."""

from ... import offload, tools
from ...figures import Report
from ...rounds import Options
from . import beside, pieces, trip, waiting

PARTS = (beside, trip, waiting, pieces)


def prepare() -> None:
    offload.hob("hob")
    offload.node("node")
    tools.oha()


def run(options: Options) -> Report:
    reports = {part.__name__.rpartition(".")[2]: part.run(options) for part in PARTS}
    return Report(
        title="offload: " + "; ".join(report.title for report in reports.values()),
        figures=[figure for report in reports.values() for figure in report.figures],
        tables=[table for report in reports.values() for table in report.tables],
        notes=[
            f"The work of {offload.WORK_MS:g} ms: {offload.rounds():,} rounds of SHA-256, each of the "
            "hash before, by the same Rust in Wasm everywhere.",
            *(note for report in reports.values() for note in report.notes),
        ],
        failures=[failure for report in reports.values() for failure in report.failures],
        samples={name: report.samples for name, report in reports.items()},
    )
