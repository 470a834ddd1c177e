"""What a tuning found of each candidate."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from service.commands.tune.candidates import Candidate
from service.commands.tune.measure import Round


@dataclass(frozen=True, slots=True)
class Measured:
    """A candidate that answers as it should.

    Attributes:
        candidate: how it was run.
        runs_on: the engine's description, for people.
        rounds: one at least; those that fall far behind have fewer than the others.
    """

    candidate: Candidate
    runs_on: str
    rounds: tuple[Round, ...]

    @property
    def images_per_s(self) -> float:
        """The mean of the rounds."""
        return _rate(self.rounds)

    @property
    def p50_ms(self) -> float:
        """The median time of a picture among as many as may run."""
        return self._percentile_ms(50)

    @property
    def p99_ms(self) -> float:
        """Likewise, what 99 of 100 keep."""
        return self._percentile_ms(99)

    @property
    def timed(self) -> int:
        """Pictures behind the percentiles; the p99 of fewer than a hundred is the slowest's."""
        return sum(len(one.latencies_ms) for one in self.rounds)

    def keeps(self, target_ms: float | None) -> bool:
        """Whether its p99 is within the target; anything is where there is none."""
        return target_ms is None or self.p99_ms <= target_ms

    def over(self, other: Measured) -> float:
        """How many times as many images/s as another, by the rounds that both have run in."""
        both = min(len(self.rounds), len(other.rounds))
        return _rate(self.rounds[:both]) / _rate(other.rounds[:both])

    def _percentile_ms(self, percent: int) -> float:
        """By nearest rank: a time that some picture took."""
        ordered = sorted(latency for one in self.rounds for latency in one.latencies_ms)
        return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Refused:
    """What cannot be served here.

    Attributes:
        what: an engine, or one way to run it.
        reason: why not, and what to do.
        drifts: whether it runs, but answers unlike the trained model.
    """

    what: str
    reason: str
    drifts: bool


@dataclass(frozen=True, slots=True)
class Results:
    """All that a tuning found.

    Attributes:
        measured: in the order in which they were first run.
        refused: likewise.
        reference: which of those measured is what runs untuned; None if it was left out.
    """

    measured: tuple[Measured, ...]
    refused: tuple[Refused, ...]
    reference: Measured | None


def _rate(rounds: tuple[Round, ...]) -> float:
    return statistics.fmean(one.images_per_s for one in rounds)
