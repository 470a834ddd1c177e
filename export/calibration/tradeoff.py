"""Thresholds that weigh false rejects against misses, from good and defective pictures.

They are chosen by the pictures that they are then counted on, so their figures flatter, and none
carries a guarantee. A threshold lies half-way between neighbouring scores, and is a float32 that a
comparison with `>` parts them by, in whatever precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Counts:
    """What a threshold does on pictures at hand.

    Attributes:
        good: good pictures.
        rejected: those of them above the threshold.
        defective: defective pictures; may be 0.
        missed: those of them that are not above it.
    """

    good: int
    rejected: int
    defective: int
    missed: int


@dataclass(frozen=True)
class Costs:
    """What mistakes cost on a line, in any one unit.

    Attributes:
        miss: of a defective part that passes, > 0.
        reject: of a good part that is rejected, > 0.
        prevalence: share of parts on the line that are defective, between 0 and 1.
    """

    miss: float
    reject: float
    prevalence: float

    def per_part(self, counts: Counts) -> float:
        """Expected: miss · P(miss) · prevalence + reject · P(false reject) · (1 - prevalence)."""
        of_misses = self.miss * counts.missed / counts.defective * self.prevalence
        return of_misses + self.reject * counts.rejected / counts.good * (1 - self.prevalence)


def count(threshold: float, good: NDArray[np.float32], defects: NDArray[np.float32]) -> Counts:
    """What a threshold does on the scores of good [n] and defective [m] pictures."""
    above = np.float64(threshold)  # as the service compares; float32 would round it first
    return Counts(
        good=len(good),
        rejected=int((good > above).sum()),
        defective=len(defects),
        missed=len(defects) - int((defects > above).sum()),
    )


def best_f1(good: NDArray[np.float32], defects: NDArray[np.float32]) -> float:
    """The threshold of the highest F1 = 2 TP / (2 TP + FP + FN); of several the highest one.

    F1 depends on how many pictures of each kind there are.

    Args:
        good: finite scores [n], n > 0.
        defects: likewise [m], m > 0.
    """
    thresholds = _between(good, defects)

    def f1(counts: Counts) -> float:
        found = counts.defective - counts.missed
        return 2 * found / (2 * found + counts.rejected + counts.missed)

    return max(thresholds, key=lambda one: (f1(count(one, good, defects)), one))


def least_cost(good: NDArray[np.float32], defects: NDArray[np.float32], costs: Costs) -> float:
    """The threshold of the lowest expected cost per part; of several the highest one.

    Args:
        good: finite scores [n], n > 0.
        defects: likewise [m], m > 0.
        costs: see there.
    """
    thresholds = _between(good, defects)
    return min(thresholds, key=lambda one: (costs.per_part(count(one, good, defects)), -one))


def _between(good: NDArray[np.float32], defects: NDArray[np.float32]) -> list[float]:
    """A threshold for every way to part the scores, ascending: all above it, ..., none."""
    levels = np.unique(np.concatenate([good, defects]).astype(np.float32))
    lower, upper = levels[:-1], levels[1:]
    middle = ((lower.astype(np.float64) + upper) / 2).astype(np.float32)
    # Neighbours of float32 have nothing between them: then the lower one parts them.
    middle = np.where(middle < upper, middle, lower)
    lowest = np.nextafter(levels[:1], np.float32(-np.inf))
    return [float(one) for one in (*lowest, *middle, levels[-1])]
