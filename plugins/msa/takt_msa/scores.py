"""The score behind the decisions: how far it spreads between placements, and the zone of doubt.

Takt rejects a score above a threshold, so that a study may ask how far the score of a part spreads
from placement to placement, and how near to the threshold parts are. This is the signal-detection
view of AIAG's attribute study, with the score for the reference measurement: ordered by their mean
scores, parts below a zone are always accepted, and parts above it always rejected. A part that is
rejected for a region alone, with a score below the threshold, widens the zone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from takt_msa.intervals import CONFIDENCE, FigureInterval
from takt_msa.study import Part, Study


@dataclass(frozen=True)
class PartScores:
    """Scores of a part's placements.

    Attributes:
        name: of the part.
        defective: the reference.
        scores: of its trials.
        rejected: trials that were rejected.
        margin: distance of the mean from the threshold; above 0 for a rejection.
        deviations: the same in standard deviations of the part's kind; None if they are 0.
    """

    name: str
    defective: bool
    scores: tuple[float, ...]
    rejected: int
    margin: float
    deviations: float | None

    @property
    def mean(self) -> float:
        """Mean score."""
        return float(np.mean(self.scores))

    @property
    def deviation(self) -> float:
        """Standard deviation between placements."""
        return math.sqrt(_squares(self.scores) / (len(self.scores) - 1))

    @property
    def flips(self) -> bool:
        """Whether some placements are rejected and others accepted."""
        return 0 < self.rejected < len(self.scores)


@dataclass(frozen=True)
class Repeatability:
    """Standard deviation of the score between placements of a part, pooled over parts.

    Attributes:
        parts: number of parts.
        deviation: of one placement.
        interval: of it, if scores of a part are normally distributed.
    """

    parts: int
    deviation: float
    interval: FigureInterval


@dataclass(frozen=True)
class DoubtZone:
    """Mean scores between which the study does not know what will be decided.

    Attributes:
        low: highest mean score up to which all parts are always accepted.
        high: lowest mean score from which on all parts are always rejected.
        parts: number of parts between them.
    """

    low: float
    high: float
    parts: int

    @property
    def width(self) -> float:
        """Difference of the two scores."""
        return self.high - self.low


@dataclass(frozen=True)
class ScoreSpread:
    """Scores of a study.

    Attributes:
        threshold: in force.
        parts: by mean score, the highest first.
        good: repeatability of good parts.
        defective: repeatability of defective parts.
        zone: of doubt; None if no part is always accepted, or none always rejected.
    """

    threshold: float
    parts: tuple[PartScores, ...]
    good: Repeatability
    defective: Repeatability
    zone: DoubtZone | None

    @property
    def flipping(self) -> tuple[PartScores, ...]:
        """Parts whose decision depends on the placement."""
        return tuple(part for part in self.parts if part.flips)

    def nearest(self, count: int) -> tuple[PartScores, ...]:
        """Parts that flip, then those nearest to the threshold in standard deviations."""
        ranked = sorted(
            self.parts,
            key=lambda part: (
                not part.flips,
                math.inf if part.deviations is None else abs(part.deviations),
                abs(part.margin),
            ),
        )
        return tuple(ranked[:count])


def score_spread(study: Study) -> ScoreSpread:
    """Scores of a study's parts."""
    good = _repeatability(study.of(defective=False))
    defective = _repeatability(study.of(defective=True))
    parts = [
        _scores(part, study.threshold, (defective if part.defective else good).deviation)
        for part in study.parts
    ]
    ranked = sorted(parts, key=lambda part: part.mean, reverse=True)
    return ScoreSpread(study.threshold, tuple(ranked), good, defective, _zone(ranked))


def _scores(part: Part, threshold: float, deviation: float) -> PartScores:
    scores = tuple(trial.score for trial in part.trials)
    margin = float(np.mean(scores)) - threshold
    return PartScores(
        name=part.name,
        defective=part.defective,
        scores=scores,
        rejected=sum(part.decisions(0)),
        margin=margin,
        deviations=margin / deviation if deviation > 0 else None,
    )


def _repeatability(parts: Sequence[Part]) -> Repeatability:
    """Pooled over parts, at least one with two trials."""
    free = sum(len(part.trials) - 1 for part in parts)
    squares = sum(_squares([trial.score for trial in part.trials]) for part in parts)
    tail = (1 - CONFIDENCE) / 2
    return Repeatability(
        parts=len(parts),
        deviation=math.sqrt(squares / free),
        interval=FigureInterval(
            low=math.sqrt(squares / float(chi2.ppf(1 - tail, free))),
            high=math.sqrt(squares / float(chi2.ppf(tail, free))),
        ),
    )


def _squares(scores: Sequence[float]) -> float:
    """Sum of squares around the mean; exactly 0 for equal scores."""
    shifted = np.array(scores) - scores[0]
    return float(np.sum((shifted - shifted.mean()) ** 2))


def _zone(ranked: Sequence[PartScores]) -> DoubtZone | None:
    """From the parts, the highest mean first."""
    trials = [len(part.scores) for part in ranked]
    rejected = _leading(part.rejected == of for part, of in zip(ranked, trials, strict=True))
    accepted = _leading(part.rejected == 0 for part in reversed(ranked))
    if rejected == 0 or accepted == 0:
        return None
    return DoubtZone(
        low=ranked[-accepted].mean,
        high=ranked[rejected - 1].mean,
        parts=len(ranked) - rejected - accepted,
    )


def _leading(hold: Iterable[bool]) -> int:
    """How many hold before one does not."""
    count = 0
    for one in hold:
        if not one:
            break
        count += 1
    return count
