"""What a finite calibration says of a fact: levels that are passed at most so often.

Of n pictures drawn like the calibration's, the share of all pictures whose fact lies above the m-th
highest of the n is Beta(m, n + 1 - m)-distributed, whatever the fact's own distribution; where
values can be equal, it is less. An upper quantile of that is a bound. The bounds of all levels, on
both sides of all facts, hold at once with `CONFIDENCE` (Bonferroni): the calibration is never
exactly the line, and the band says by how much it may be off.

Good pictures may be of several kinds, which come in batches, and one kind may scatter more than the
others. So a bound is that of the highest of `OF_A_KIND` pictures, not of one: far out a batch may
be beyond a level so many times as often as all pictures, and never is all of it.

Of the pictures of a line some are defects, and what their facts are is not known. So a bound leaves
room for a usual share of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from takt.core.intervals import beta_quantile

CONFIDENCE: Final = 0.95
"""With which all bounds of a calibration hold."""

LEVELS: Final = (0.5, 0.25, 0.1, 0.05, 0.02, 0.0)
"""Shares of the calibration that lie beyond a level; beyond the last one none does."""

OF_A_KIND: Final = 1.5
"""How many times as often as all good pictures those of one kind may be far out."""

FEWEST: Final = 20
"""Known values below which a fact says nothing."""


@dataclass(frozen=True, slots=True)
class Band:
    """The levels of one fact on one side, from the middle of the calibration outwards.

    Attributes:
        values: of the levels, rising; those of the lower side are negated [l].
        usual: share of pictures beyond each as the calibration has it, falling [l].
        most: share of pictures beyond each that may be as ever, falling [l].
    """

    values: NDArray[np.float64]
    usual: NDArray[np.float64]
    most: NDArray[np.float64]


def band_of(
    values: NDArray[np.float64], bands: int, usual_defects: float, of_a_kind: float = OF_A_KIND
) -> Band | None:
    """The band of the upper side of a fact; negate the values for the lower side.

    Args:
        values: of the calibration's pictures [n]; NaN where it is not known.
        bands: number of all bands whose bounds have to hold at once.
        usual_defects: share of pictures that may be anything.
        of_a_kind: how many times as often those of one kind may be far out.

    Returns:
        None where too few values are known.
    """
    known = np.sort(values[~np.isnan(values)])
    count = len(known)
    if count < FEWEST:
        return None
    ranks = ranks_of(count)
    most = bounds_of(count, bands, usual_defects, of_a_kind)
    levels, usual = known[count - ranks], ranks / (count + 1)
    # Levels that are equal are passed together, and the bound of the outermost is the closest.
    for place in range(len(ranks) - 2, -1, -1):
        if levels[place] == levels[place + 1]:
            usual[place], most[place] = usual[place + 1], most[place + 1]
    return Band(levels, usual, most)


def ranks_of(count: int) -> NDArray[np.int64]:
    """The ranks of the levels among n = `count` values, counted from the highest, falling."""
    return np.array(sorted({max(1, round(share * (count + 1))) for share in LEVELS}, reverse=True))


def bounds_of(
    count: int, bands: int, usual_defects: float, of_a_kind: float = OF_A_KIND
) -> NDArray[np.float64]:
    """Share of the pictures of any kind beyond each level of n = `count` values, at most."""
    ranks = ranks_of(count).tolist()
    each = (1 - CONFIDENCE) / (bands * len(ranks))
    most = np.array([beta_quantile(1 - each, rank, count + 1 - rank) for rank in ranks])
    return usual_defects + (1 - usual_defects) * (1 - (1 - most) ** of_a_kind)
