"""Figures: samples of several rounds, a target, and a verdict that does not hide the noise."""

import dataclasses
import statistics
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Target:
    """A bound that a figure is to keep."""

    relation: str
    bound: float

    def met_by(self, value: float) -> bool:
        return value >= self.bound if self.relation == ">=" else value <= self.bound


def at_least(bound: float) -> Target:
    return Target(">=", bound)


def at_most(bound: float) -> Target:
    return Target("<=", bound)


@dataclass
class Figure:
    """One line of the table of targets."""

    name: str
    samples: list[float]
    unit: str = ""
    target: Target | None = None
    # The same figure by another measure: of a ratio of requests/s, that of the CPU time.
    check: list[float] = field(default_factory=list)
    note: str = ""

    def verdict(self) -> str:
        """The median decides, and rounds that say otherwise are told of."""
        if not self.samples:
            return "failed"
        if self.target is None:
            return ""
        keep = sum(self.target.met_by(sample) for sample in self.samples)
        rounds = len(self.samples)
        word = "met" if self.target.met_by(statistics.median(self.samples)) else "**not met**"
        return f"{word} ({keep} of {rounds})"


@dataclass
class Table:
    """Measurements beside the targets: what the servers did."""

    header: list[str]
    rows: list[list[str]]


@dataclass
class Report:
    """What a bench found."""

    title: str
    figures: list[Figure]
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    # Every sample, for the file of results.
    samples: dict = field(default_factory=dict)


def number(value: float, unit: str = "") -> str:
    """As many digits as say something."""
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 0.1 else 4
    if isinstance(value, int) or value == 0:
        digits = 0
    return f"{value:,.{digits}f} {unit}".strip()


def spread(samples: list[float], unit: str = "") -> str:
    """min - median - max; a single sample stands alone."""
    if not samples:
        return "failed"
    middle = number(statistics.median(samples), unit)
    if len(samples) == 1:
        return middle
    return f"{number(min(samples))} - **{middle}** - {number(max(samples))}"


def ratios(samples: list[float | None], others: list[float | None]) -> list[float]:
    """Round by round: neighbours in time have the same noise. Failed rounds are left out."""
    pairs = zip(samples, others, strict=True)
    return [one / other for one, other in pairs if one is not None and other is not None]


def brief(sample: object) -> str:
    """A sample in a line, for the progress."""
    if dataclasses.is_dataclass(sample):
        fields = ((one.name, getattr(sample, one.name)) for one in dataclasses.fields(sample))
        return ", ".join(f"{name} {brief(value)}" for name, value in fields)
    return number(sample) if isinstance(sample, (int, float)) else str(sample)
