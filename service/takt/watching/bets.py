"""Bets against a band: what a picture is worth as evidence that a fact has moved.

A bet multiplies what it has by its worth, which depends on the levels that a picture's fact is
beyond. The worth never falls from level to level, and is 1 on average for the highest fact that the
band allows. So it is at most 1 on average as long as the bounds hold, whatever else the fact does:
the worth is an e-value.

A bet that hardly loses while nothing has changed would have evidence of nothing after long enough:
where few pictures calibrate, no more can be told of a tenth of the pictures. It is left out.

What is bet on are shifts of a share of the pictures by some deviations of a normal distribution,
on the scale of the calibration's own quantiles (normal scores): facts need not be normal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from takt.watching.bands import Band

_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Shift:
    """What a bet expects.

    Attributes:
        deviations: by which facts are moved, in deviations of the calibration.
        share: of the pictures whose facts are.
    """

    deviations: float
    share: float = 1.0


SHIFTS: Final = (Shift(0.5), Shift(1), Shift(2), Shift(4), Shift(4, 0.3), Shift(4, 0.1))
"""Slow and sudden changes, those of all pictures and those of some."""


_LEAST_LOSS: Final = 0.015
"""Share that a bet loses a picture at least, on average, while nothing has changed."""


def worth_of(band: Band) -> NDArray[np.float64]:
    """What a picture is worth for each bet, by the number of levels it is beyond [bets, l + 1].

    It is 0 for a bet that is left out.
    """
    allowed = -np.diff(band.most, prepend=1.0, append=0.0)
    usual = -np.diff(band.usual, prepend=1.0, append=0.0)
    worth = np.ones((len(SHIFTS), len(allowed)))
    for row, shift in zip(worth, SHIFTS, strict=True):
        expected = -np.diff(shifted(band.usual, shift), prepend=1.0, append=0.0)
        # Between equal levels nothing lies.
        row[:] = np.divide(expected, allowed, out=np.zeros_like(allowed), where=allowed > 0)
        np.maximum.accumulate(row, out=row)
        row /= row @ allowed
        if row @ usual > 1 - _LEAST_LOSS:
            row[:] = 0
    return worth


def shifted(usual: NDArray[np.float64], shift: Shift) -> NDArray[np.float64]:
    """Share of pictures beyond levels, after a shift, where `usual` is the share before [l]."""
    found = [
        (1 - shift.share) * share + shift.share * _NORMAL.cdf(shift.deviations + _normal(share))
        for share in usual.tolist()
    ]
    return np.array(found)


def _normal(share: float) -> float:
    if 0 < share < 1:
        return _NORMAL.inv_cdf(share)
    return math.copysign(math.inf, share - 0.5)
