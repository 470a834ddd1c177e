"""The least shift that a watch can be expected to see in time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from takt.watching.bands import band_of
from takt.watching.bets import Shift, shifted, worth_of
from takt.watching.calibration import USUAL_DEFECTS, CalibratedFacts

_MOST_DEVIATIONS = 20.0
_OUTER = 0.05


@dataclass(frozen=True, slots=True)
class LeastShift:
    """A shift of one fact of all pictures.

    Attributes:
        pictures: after which it is seen, on average.
        deviations: by which it moves the fact, in deviations of the calibration.
        share: of the pictures that are then where 5 % of the calibration are.
    """

    pictures: int
    deviations: float
    share: float


def least_shift(calibration: CalibratedFacts, pictures: int = 50) -> LeastShift | None:
    """The least shift of a fact of the camera that is seen within some pictures, on average.

    Returns:
        None where none is: too few pictures are calibrated on, or to be seen.
    """
    values = np.arange(calibration.pictures, dtype=np.float64)
    band = band_of(values, calibration.bands, USUAL_DEFECTS)
    if band is None or not calibration.camera_sides:
        return None
    worth = worth_of(band)
    logs = np.log(worth[worth[:, 0] > 0])
    needed = math.log(calibration.limit / float(calibration.weights[0, 0]))

    def seen(deviations: float) -> bool:
        beyond = shifted(band.usual, Shift(deviations))
        growth = logs @ -np.diff(beyond, prepend=1.0, append=0.0)
        return float(growth.max(initial=0.0)) * pictures >= needed

    low, high = 0.0, _MOST_DEVIATIONS
    if not seen(high):
        return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    share = float(shifted(np.array([_OUTER]), Shift(high))[0])
    return LeastShift(pictures, high, share)
