"""Thresholds that weigh false rejects against misses, from good and defective pictures.

They are counted on the very pictures that chose them, so their counts flatter, and none carries a
guarantee. A threshold lies half-way between neighbouring scores; it is a float32, so that `>` parts
them alike in every precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Counts:
    """Verdicts of a threshold on known pictures.

    Attributes:
        good: number of good pictures.
        rejected: good pictures above the threshold.
        defective: number of defective pictures; may be 0.
        missed: defective pictures that are not above it.
    """

    good: int
    rejected: int
    defective: int
    missed: int


@dataclass(frozen=True)
class Costs:
    """Costs of mistakes on a line, in any one unit.

    >>> Costs(miss=100, reject=1, prevalence=0.01).per_part(Counts(100, 2, 50, 5))
    0.1198

    Attributes:
        miss: cost of a defective part that passes, > 0.
        reject: cost of a good part that is rejected, > 0.
        prevalence: share of the line's parts that are defective, between 0 and 1.
    """

    miss: float
    reject: float
    prevalence: float

    def per_part(self, counts: Counts) -> float:
        """Expected cost: miss · P(miss) · prevalence + reject · P(reject) · (1 - prevalence)."""
        of_misses = self.miss * counts.missed / counts.defective * self.prevalence
        return of_misses + self.reject * counts.rejected / counts.good * (1 - self.prevalence)


def count(threshold: float, good: NDArray[np.float32], defects: NDArray[np.float32]) -> Counts:
    """Counts of a threshold on the scores of good [n] and defective [m] pictures."""
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

    >>> best_f1(np.float32([1, 2]), np.float32([4, 5]))
    3.0

    Args:
        good: finite scores [n], n > 0.
        defects: finite scores [m], m > 0.
    """
    thresholds = thresholds_between(good, defects)
    return max(thresholds, key=lambda one: (f1(count(one, good, defects)), one))


def least_cost(good: NDArray[np.float32], defects: NDArray[np.float32], costs: Costs) -> float:
    """The threshold of the lowest expected cost per part; of several the highest one.

    Args:
        good: finite scores [n], n > 0.
        defects: finite scores [m], m > 0.
        costs: of both mistakes.
    """
    thresholds = thresholds_between(good, defects)
    return min(thresholds, key=lambda one: (costs.per_part(count(one, good, defects)), -one))


def f1(counts: Counts) -> float:
    """F1 = 2 TP / (2 TP + FP + FN), of at least one defective picture."""
    found = counts.defective - counts.missed
    return 2 * found / (2 * found + counts.rejected + counts.missed)


def thresholds_between(good: NDArray[np.float32], defects: NDArray[np.float32]) -> list[float]:
    """A threshold for each way to part the scores, ascending: from all above it to none."""
    levels = np.unique(np.concatenate([good, defects]).astype(np.float32))
    lower, upper = levels[:-1], levels[1:]
    middle = ((lower.astype(np.float64) + upper) / 2).astype(np.float32)
    # Neighbours of float32 have nothing between them: then the lower one parts them.
    middle = np.where(middle < upper, middle, lower)
    lowest = np.nextafter(levels[:1], np.float32(-np.inf))
    return [float(one) for one in (*lowest, *middle, levels[-1])]
