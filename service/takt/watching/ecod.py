"""How odd a picture is among those of the calibration, without parameters: ECOD.

Li et al., "ECOD: Unsupervised outlier detection using empirical cumulative distribution functions",
arXiv 2201.00382. A dimension at a time, the picture is joined to the n of the calibration. Its left
tail is the share of these n + 1 that are as low or lower, its right tail the share that are as high
or higher. A dimension's score is -log of the smaller one, and the picture's score the sum of them.

The result is that of pyod's ECOD. There, the tail that the skewness names counts as well, and is
never less likely than the smaller tail; only where the skewness is exactly nought (a constant, or
values that mirror each other) both logarithms are added, and so they are here.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NEARLY_NONE = 1e-9
"""A skewness closer to nought is computed anew, exactly as SciPy computes it."""


@dataclass(frozen=True, slots=True)
class Tails:
    """How far out a picture is, a dimension at a time.

    Attributes:
        share: of the calibration and the picture, as far out as the picture on its side of them,
            or further; both sides counted, so at most 1 [d]. 1 where the value is not known.
        high: whether its side is the upper one [d].
    """

    share: NDArray[np.float64]
    high: NDArray[np.bool_]


class Ecod:
    """The scores of single pictures, each joined to the same calibration.

    >>> ecod = Ecod(np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0], [9.0, 5.0]]))
    >>> round(ecod.score(np.array([10.0, 5.0])), 3)
    1.609
    >>> ecod.explain(np.array([10.0, 4.0])).share
    array([0.4, 0.4])

    Args:
        calibration: facts of pictures [n, d]; a value that is not known is NaN, and left out.
    """

    def __init__(self, calibration: NDArray[np.float64]) -> None:
        columns = [column[~np.isnan(column)] for column in calibration.T.astype(np.float64)]
        self._columns = columns
        self._sorted = [array("d", np.sort(column)) for column in columns]
        most = max((len(column) for column in columns), default=0)
        self._logs = [0.0, *np.log(np.arange(1, most + 2)).tolist()]
        # Power sums around the mean, to which a picture is added in no time.
        self._middles = [float(column.mean()) if len(column) else 0.0 for column in columns]
        centred = [column - middle for column, middle in zip(columns, self._middles, strict=True)]
        self._sums = [[float((one**power).sum()) for power in (1, 2, 3)] for one in centred]

    def score(self, picture: NDArray[np.float64]) -> float:
        """How odd a picture is: 0 and more; unknown values, which are NaN, add nothing.

        Args:
            picture: its facts [d].
        """
        logs = self._logs
        total = 0.0
        for place, value in enumerate(picture.tolist()):
            if value != value:
                continue
            column = self._sorted[place]
            count = len(column)
            whole = logs[count + 1]
            left = whole - logs[bisect_right(column, value) + 1]
            right = whole - logs[count - bisect_left(column, value) + 1]
            # The sum is the larger of both where one is nought, as for what is always the same.
            both = left > 0 < right and self._balanced(place, value)
            total += left + right if both else max(left, right)
        return total

    def explain(self, picture: NDArray[np.float64]) -> Tails:
        """How far out each fact of a picture is [d]: the smaller tail, whatever the skewness."""
        share, high = np.ones(len(picture)), np.zeros(len(picture), np.bool_)
        for place, value in enumerate(picture.tolist()):
            if value != value:
                continue
            column = self._sorted[place]
            left = bisect_right(column, value) + 1
            right = len(column) - bisect_left(column, value) + 1
            share[place] = min(1.0, 2 * min(left, right) / (len(column) + 1))
            high[place] = right < left
        return Tails(share, high)

    def _balanced(self, place: int, value: float) -> bool:
        """Whether a column, with a value, has a skewness of exactly nought."""
        count = len(self._sorted[place]) + 1
        away = value - self._middles[place]
        first, second, third = self._sums[place]
        mean = (first + away) / count
        square = (second + away * away) / count
        skewed = (third + away * away * away) / count - 3 * mean * square + 2 * mean * mean * mean
        certain = square - mean * mean > _NEARLY_NONE * square
        if certain and abs(skewed) > _NEARLY_NONE * square * math.sqrt(square):
            return False
        return _without_skewness(self._columns[place], value)


def _without_skewness(column: NDArray[np.float64], value: float) -> bool:
    """Whether SciPy's skewness of a column and a value is nought, or is none as all are equal."""
    # Two columns, as numpy adds those of a table in another order than a single one.
    joined = np.repeat(np.append(column, value)[:, None], 2, axis=1)
    mean = joined.mean(axis=0)
    away = joined - mean
    square = away**2
    alike = square.mean(axis=0) <= (np.finfo(np.float64).eps * mean) ** 2
    return bool((alike | ((square * away).mean(axis=0) == 0))[0])
