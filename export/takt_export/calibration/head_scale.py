"""The scale of a head: how much of what it says counts beside what the bank says.

Bank and head share one false-reject rate α, so that each is given up a little for the other. Of a
head that has seen few defects too much may be given: it is lowered until the bank's threshold rises
no further than it would if the head took a third of α.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.levels import Scale
from takt_export.calibration.cross_conformal import HeadLevels, level_at
from takt_export.calibration.outliers import outliers

MOST_RISEN = math.log(3 / 2)
"""Most by which the level of the threshold may rise. Levels are counted in the mean excess of good
pictures, so that an exponential tail loses a third where its level rises by so much."""

LOWERED_BY = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0)
"""Levels by which a head is lowered at most; the last one leaves hardly anything of it."""


@dataclass(frozen=True)
class HeadScale:
    """From a likeness to a level.

    >>> HeadScale(start=1.0, unit=2.0, lowered=0.5).level(np.array([5.0])).tolist()
    [1.5]

    Attributes:
        start: likeness at which levels begin.
        unit: likeness of a level, above 0.
        lowered: levels by which the head is lowered.
    """

    start: float
    unit: float
    lowered: float

    def level(self, likeness: NDArray[np.floating]) -> NDArray[np.float64]:
        """The levels [n] of pictures' likeness [n]."""
        levels: NDArray[np.float64] = (likeness.astype(np.float64) - self.start) / self.unit
        return levels - self.lowered


def scale_of_head(
    likeness: NDArray[np.float32],
    bank_score: NDArray[np.float32],
    bank_peak: NDArray[np.float32],
    alpha: float,
) -> HeadScale:
    """The scale of a head by what it and the bank say of good pictures that they have not seen.

    Args:
        likeness: the highest one of each picture, [n].
        bank_score: the bank's scores [n], which differ.
        bank_peak: the highest values of its maps, [n], which differ.
        alpha: false-reject rate.

    Raises:
        CalibrationError: the pictures are too few for α.
    """
    scale = Scale.of(likeness)
    alone = HeadLevels(np.full(len(likeness), -np.inf), bank_score, bank_peak)
    risen_to = level_at(alone.of_bank, outliers(bank_score, bank_peak), alpha).value + MOST_RISEN
    unit = scale.unit if scale.unit > 0 else 1.0
    for lowered in LOWERED_BY:
        found = HeadScale(scale.start, unit, lowered)
        both = HeadLevels(found.level(likeness), bank_score, bank_peak)
        if both.level_at(alpha).value <= risen_to:
            break
    return found
