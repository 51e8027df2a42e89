"""Interleaved rounds: A B C, A B C, so that a noisy minute falls on all alike."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from . import machine
from .figures import brief
from .server import Failure, Recipe
from .tools import say


@dataclass(frozen=True)
class Options:
    """How much is measured. What a bench is not told it decides for itself."""

    quick: bool = False
    rounds: int | None = None
    seconds: float | None = None
    # How long a sample waits for the machine to be quiet.
    patience: float = 0.0

    def rounds_or(self, full: int, quick: int) -> int:
        return self.rounds or (quick if self.quick else full)

    def seconds_or(self, full: float, quick: float) -> float:
        return self.seconds or (quick if self.quick else full)


@dataclass
class Rounds:
    """By server, a sample of each round, or None where the round failed."""

    samples: dict[str, list]
    failures: list[str]

    def all_of(self, name: str, attribute: str) -> list[float | None]:
        return [getattr(one, attribute) if one else None for one in self.samples[name]]

    def of(self, name: str, attribute: str) -> list[float]:
        return [value for value in self.all_of(name, attribute) if value is not None]

    def plain(self) -> dict[str, list]:
        """For the file of results."""
        return {
            name: [dataclasses.asdict(one) if one else None for one in samples]
            for name, samples in self.samples.items()
        }


def interleave(
    options: Options, recipes: list[Recipe], rounds: int, measure: Callable[[Recipe], object]
) -> Rounds:
    """A server that fails has no sample of that round, and the run has failed; others go on."""
    found = Rounds({recipe.name: [] for recipe in recipes}, [])
    for turn in range(1, rounds + 1):
        for recipe in recipes:
            machine.wait_for_quiet(options.patience)
            try:
                sample = measure(recipe)
                say(f"round {turn} of {rounds}: {recipe.name}: {brief(sample)}")
            except Failure as failure:
                sample = None
                found.failures.append(f"round {turn}: {failure}")
                say(f"round {turn} of {rounds}: FAILED: {failure}")
            found.samples[recipe.name].append(sample)
    return found
