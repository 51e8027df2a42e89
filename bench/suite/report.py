"""Writes what a run found: Markdown to standard output, every sample to a file of JSON."""

import datetime
import json
import platform
import statistics
import subprocess
from dataclasses import dataclass

from . import tools
from .build import ROOT
from .figures import Figure, Report, number, spread

RESULTS = tools.BENCH / "results"


@dataclass(frozen=True)
class Circumstances:
    """When, on what and beside what a run was made."""

    command: str
    date: str
    machine: str
    commit: str
    load_before: float
    load_after: float
    minutes: float
    versions: dict[str, str]


def commit() -> str:
    """What was measured; a tree that differs from its commit is said to."""
    # The table itself may be on its way into this file.
    other_files = ("--", ".", ":!bench/RESULTS.md")
    is_changed = _git("status", "--porcelain", "--untracked-files=no", *other_files)
    changed = " with changes" if is_changed else ""
    return (_git("rev-parse", "--short", "HEAD") or "no commit") + changed


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def versions() -> dict[str, str]:
    """Of the tools and peers that this run has used."""
    found = {"python": platform.python_version()}
    for tool in (tools.wrk, tools.oha, tools.node, tools.deno, tools.wasmtime):
        if tool.cache_info().currsize:
            found[tool.__name__] = tools.version(tool())
    return found


def today() -> str:
    return datetime.date.today().isoformat()


def write(reports: dict[str, Report], circumstances: Circumstances) -> None:
    """Both forms."""
    RESULTS.mkdir(exist_ok=True)
    content = {
        "circumstances": vars(circumstances),
        "benches": {name: _plain(report) for name, report in reports.items()},
    }
    (RESULTS / "latest.json").write_text(json.dumps(content, indent=1) + "\n")
    print(markdown(reports, circumstances))


def _plain(report: Report) -> dict:
    figures = [
        {
            "name": figure.name,
            "unit": figure.unit,
            "samples": figure.samples,
            "by_cpu": figure.check,
            "target": f"{figure.target.relation} {figure.target.bound}" if figure.target else None,
            "verdict": figure.verdict(),
        }
        for figure in report.figures
    ]
    return {"figures": figures, "failures": report.failures, "samples": report.samples}


def markdown(reports: dict[str, Report], circumstances: Circumstances) -> str:
    """The targets first, then what they were made from."""
    at = circumstances
    tools_used = ", ".join(f"{name} {number}" for name, number in at.versions.items())
    parts = [
        "# Measured",
        f"{at.date}, {at.machine}, by `{at.command}` in {at.minutes:.0f} minutes; {at.commit}. "
        f"Load average {at.load_before:.1f} before and {at.load_after:.1f} after. {tools_used}.",
        "Each cell is min - **median** - max over the rounds. A ratio is taken within a round. "
        "The median decides whether a target is met; beside it stand the rounds that met it.",
        _table(
            ["figure", "target", "measured", "by CPU time", "verdict"],
            [
                [f"{name}: {figure.name}", *_line(figure)]
                for name, report in reports.items()
                for figure in report.figures
            ],
        ),
    ]
    for report in reports.values():
        parts.append(f"## {report.title}")
        parts += [_table(table.header, table.rows) for table in report.tables]
        parts += report.notes
        parts += [f"- FAILED: {failure}" for failure in report.failures]
    return "\n\n".join(parts)


def _line(figure: Figure) -> list[str]:
    target = figure.target
    bound = f"{target.relation} {target.bound:g} {figure.unit}".strip() if target else "-"
    check = number(statistics.median(figure.check), figure.unit) if figure.check else "-"
    return [bound, spread(figure.samples, figure.unit), check, figure.verdict() or "-"]


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in [header, ["---"] * len(header), *rows]]
    return "\n".join(lines)
