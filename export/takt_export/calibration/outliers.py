"""Outliers among the scores of good pictures: defective parts that nobody has taken out.

They are most of the highest levels, and a threshold by all pictures would pass whatever scores as
they do. So the tail is looked at without its highest tenth as well: with u the median of the levels
and e their 90 % quantile, of the k levels beyond e it is only taken that they are beyond it. An
exponential tail then has

    m = (Σ over u < x <= e of (x - u) + k·(e - u)) / j,    tail(rate) = u + m·log(p/rate),

with j the number of levels between u and e, and p the share beyond u. The k levels would exceed e
by m on average, or by 0.95·m if at most 3·m of each excess are counted. Where they exceed it by
more than (0.95 + 6/√n)·m, which is some 2 standard deviations too much, what lies beyond tail(1 %)
is left out. The scores are looked at in the same way, and a threshold is that of the pictures that
neither leaves out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.levels import Scale, levels_of

TOLD_FROM, TOLD_TO = 0.5, 0.9
"""Quantiles between which values tell what tail the usual pictures have."""

COUNTED = 3
"""Units of the tail, of a value's excess over `TOLD_TO`, that count as a sign of outliers."""

USUAL_EXCESS, EXCESS_SPREAD = 0.95, 6.0
"""Mean of what counts, in units: of an exponential tail, and √n times how far it may lie above."""

FEWEST_TOLD = 30
"""Fewest values that tell a tail; the highest tenth of fewer is one or two pictures."""

OUTLYING = 0.01
"""Where there are outliers, they lie beyond what this share of good pictures would exceed."""


@dataclass(frozen=True)
class UsualTail:
    """The exponential tail of values as those of them below their highest tenth tell it.

    >>> tail = UsualTail.of(np.array([*range(40), 1000.0]))
    >>> tail.start, tail.end, round(tail.value_at(0.02), 1)
    (20.0, 36.0, 59.9)

    Attributes:
        start: where it begins, the median unless it is told otherwise.
        end: the 90 % quantile, beyond which values only count.
        share: share of the values beyond the start.
        unit: its mean excess over the start.
    """

    start: float
    end: float
    share: float
    unit: float

    @classmethod
    def of(
        cls, values: NDArray[np.floating], told: tuple[float, float] = (TOLD_FROM, TOLD_TO)
    ) -> UsualTail | None:
        """That of the values [n] of good pictures; None where too few of them differ.

        Args:
            values: of the pictures.
            told: quantiles between which values tell it.
        """
        start, end = np.quantile(values, told).tolist()
        above = values[values > start].astype(np.float64)
        within = int((above <= end).sum())
        if not within:
            return None
        unit = float(np.minimum(above, end).sum() - len(above) * start) / within
        return cls(start, end, len(above) / len(values), unit) if unit > 0 else None

    def value_at(self, rate: float) -> float:
        """The value that good pictures exceed with a rate, which is below a tenth."""
        return max(self.end, self.start + self.unit * math.log(self.share / rate))

    def holds(self, values: NDArray[np.floating]) -> bool:
        """Whether the highest tenth of its values [n] goes about as far as an exponential tail."""
        beyond = values[values > self.end].astype(np.float64) - self.end
        if not beyond.size:
            return True
        counted = float(np.minimum(beyond / self.unit, COUNTED).mean())
        return counted <= USUAL_EXCESS + EXCESS_SPREAD / math.sqrt(len(values))


def outlying(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which of the values [n] of good pictures are outliers; none unless there is a sign of some.

    >>> good, outliers = np.arange(100.0), np.full(6, 400.0)
    >>> outlying(good).sum(), outlying(np.concatenate([good, outliers])).sum()
    (np.int64(0), np.int64(6))
    """
    tail = UsualTail.of(values) if len(values) >= FEWEST_TOLD else None
    if tail is None or tail.holds(values):
        return np.zeros(len(values), np.bool_)
    return values > tail.value_at(OUTLYING)


def outliers(scores: NDArray[np.float32], peaks: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of n good pictures the thresholds leave out, by their scores [n] and peaks [n]."""
    of_score, of_peak = Scale.of(scores), Scale.of(peaks)
    if not min(of_score.unit, of_peak.unit) > 0:
        return np.zeros(len(scores), np.bool_)
    return outlying(scores) | outlying(levels_of(scores, peaks, of_score, of_peak))
