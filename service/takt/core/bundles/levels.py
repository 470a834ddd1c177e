"""Scores and peaks of good pictures on a common scale, by which the two can be compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TAIL_FROM = 0.7
"""Quantile from which the tail is looked at."""


@dataclass(frozen=True)
class Scale:
    """The scale of one witness: its 70 % quantile on good pictures, and the mean excess over it.

    >>> Scale.of(np.arange(11.0)).levels(np.array([7.0, 9.0])).tolist()
    [0.0, 1.0]
    """

    start: float
    unit: float

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Scale:
        """The scale by the values [n] of good pictures; its unit is 0 if all are the same."""
        start = float(np.quantile(values, TAIL_FROM))
        above = values[values > start]
        return cls(start, float(above.mean()) - start if above.size else 0.0)

    @classmethod
    def of_quantiles(cls, values: NDArray[np.floating]) -> Scale:
        """That of the median and the 90 % quantile, which no single high value stretches.

        >>> Scale.of_quantiles(np.arange(11.0))
        Scale(start=5.0, unit=4.0)
        """
        start, end = np.quantile(values.astype(np.float64), (0.5, 0.9)).tolist()
        return cls(start, end - start)

    def levels(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """The values [n] on this scale."""
        levels: NDArray[np.float64] = (values.astype(np.float64) - self.start) / self.unit
        return levels

    def value(self, level: float) -> float:
        """The value at a level."""
        return self.start + self.unit * level

    def values(self, levels: NDArray[np.float64]) -> NDArray[np.float32]:
        """The values [n] at levels [n]."""
        found: NDArray[np.float32] = (self.start + self.unit * levels).astype(np.float32)
        return found


def levels_of(
    scores: NDArray[np.float32], peaks: NDArray[np.float32], of_score: Scale, of_peak: Scale
) -> NDArray[np.float64]:
    """Pictures' levels [n]: the higher one of both witnesses, each on its own scale."""
    return np.maximum(of_score.levels(scores), of_peak.levels(peaks))
