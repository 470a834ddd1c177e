"""Whether the scores of good pictures form two groups, as those of two kinds of parts do.

A threshold rests on the highest scores. If these are of a kind of part, of a camera or of a light
of which there were few pictures, the other pictures have a threshold far above theirs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

APART = 4.5
"""Least distance of the groups' means, in deviations within them. A single normal distribution cut
in two has 2.7 and a uniform one 3.5, and few draws of 200 values from either have 4."""

LEAST_SHARE = 0.1
"""Least share of the pictures in a group; fewer are odd pictures."""

FEWEST = 50
"""Fewest scores that tell two groups from chance."""


@dataclass(frozen=True)
class TwoGroups:
    """Good pictures whose scores form two groups.

    Attributes:
        low: number of pictures in the lower one.
        low_mean: mean of their scores.
        high: number of pictures in the higher one.
        high_mean: mean of their scores.
        names: files of the higher one, the highest first.
    """

    low: int
    low_mean: float
    high: int
    high_mean: float
    names: tuple[str, ...]


def two_groups(scores: NDArray[np.float32], names: Sequence[str]) -> TwoGroups | None:
    """The two groups of scores, if there are two.

    They are cut where the means differ most for their sizes (Otsu, 1979), that is where
    k (n - k) (m_high - m_low)² is largest; and they are two if the means differ by `APART` times

        s = √((s_low² + s_high²) / 2)    (Ashman, Bird and Zepf, 1994).

    >>> scores = np.concatenate([np.linspace(1, 2, 60), np.linspace(5, 6, 20)]).astype(np.float32)
    >>> found = two_groups(scores, [""] * 80)
    >>> found.low, found.high, found.high_mean
    (60, 20, 5.5)

    Args:
        scores: of the good pictures [n].
        names: of their files.
    """
    count = len(scores)
    if count < FEWEST or not np.isfinite(scores).all():
        return None
    order = np.argsort(scores, kind="stable")
    values = scores[order].astype(np.float64)
    least = math.ceil(LEAST_SHARE * count)
    cuts = np.arange(least, count - least + 1)
    below, all_of_them = np.cumsum(values)[cuts - 1], values.sum()
    low_means, high_means = below / cuts, (all_of_them - below) / (count - cuts)
    cut = int(cuts[np.argmax(cuts * (count - cuts) * np.square(high_means - low_means))])
    low, high = values[:cut], values[cut:]
    within = math.sqrt((low.var() + high.var()) / 2)
    difference = float(high.mean() - low.mean())
    if difference == 0 or difference < APART * within:
        return None
    return TwoGroups(
        low=cut,
        low_mean=float(low.mean()),
        high=count - cut,
        high_mean=float(high.mean()),
        names=tuple(names[index] for index in order[: -1 - (count - cut) : -1]),
    )
