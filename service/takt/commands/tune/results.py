"""Results of a tuning: the measured and the refused candidates."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import numpy as np

from takt.commands.tune.candidates import Candidate
from takt.commands.tune.measure import Round


@dataclass(frozen=True, slots=True)
class MeasuredCandidate:
    """Candidate that answers like the trained model, with its measurements.

    Attributes:
        candidate: the way the bundle was run.
        runs_on: description of the engine, for people.
        rounds: one or more; a candidate that falls far behind has fewer than the others.
    """

    candidate: Candidate
    runs_on: str
    rounds: tuple[Round, ...]

    @property
    def images_per_s(self) -> float:
        """Mean rate of the rounds."""
        return _rate(self.rounds)

    @property
    def p50_ms(self) -> float:
        """Median time of a picture in the loop in which none waits."""
        return self._percentile_ms(50)

    @property
    def p99_ms(self) -> float:
        """Time within which 99 of 100 pictures are answered."""
        return self._percentile_ms(99)

    @property
    def timed(self) -> int:
        """Number of pictures behind the percentiles; below 100 the p99 is the slowest time."""
        return sum(len(one.latencies_ms) for one in self.rounds)

    def keeps(self, target_ms: float | None) -> bool:
        """Whether the p99 is within the target, if there is one."""
        return target_ms is None or self.p99_ms <= target_ms

    def over(self, other: MeasuredCandidate) -> float:
        """Ratio of its images/s to another's, over the rounds that both have run."""
        both = min(len(self.rounds), len(other.rounds))
        return _rate(self.rounds[:both]) / _rate(other.rounds[:both])

    def _percentile_ms(self, percent: int) -> float:
        """Percentile by nearest rank, which is the time of one of the pictures."""
        latencies_ms = [latency for one in self.rounds for latency in one.latencies_ms]
        return float(np.percentile(latencies_ms, percent, method="inverted_cdf"))


@dataclass(frozen=True, slots=True)
class RefusedCandidate:
    """Engine, or one way to run it, that this host cannot serve.

    Attributes:
        what: name of the engine, or description of the candidate.
        reason: why it cannot be served, and what to do.
        drifts: whether it runs but answers unlike the trained model.
    """

    what: str
    reason: str
    drifts: bool


@dataclass(frozen=True, slots=True)
class TuneResults:
    """Results of a tuning.

    Attributes:
        measured: measured candidates in the order of their first runs.
        refused: refused candidates in the order of their refusals.
        reference: measured candidate that serves without tuning; None if it was left out.
    """

    measured: tuple[MeasuredCandidate, ...]
    refused: tuple[RefusedCandidate, ...]
    reference: MeasuredCandidate | None


def _rate(rounds: tuple[Round, ...]) -> float:
    return statistics.fmean(one.images_per_s for one in rounds)
