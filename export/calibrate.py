"""Thresholds with a guarantee: split conformal prediction on good pictures.

Let s_1 ≤ … ≤ s_n be the scores of n good pictures that the model was not fitted on. With

    k = ⌈(n + 1)(1 - α)⌉,  threshold = s_k,

a further good picture, exchangeable with those, has P(score > threshold) ≤ α, whatever the
model and the distribution of its scores (Vovk et al., 2005; Lei et al., 2018). The probability
is over the calibration pictures and the new one together: a single calibration may lie above or
below α, by about √(α(1-α)/n). Nothing is promised where the line, the light or the parts change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from service.errors import TaktError

METHOD = "split conformal"


class CalibrationError(TaktError):
    """The pictures do not allow the thresholds that were asked for."""

    code = "calibration"
    title = "Calibration"


@dataclass(frozen=True)
class ConformalThresholds:
    """From which score a picture, and from which map value a pixel, counts as anomalous.

    Attributes:
        image: at most α of good pictures score higher.
        pixel: at most α of good pictures have any map value that is higher.
        alpha: the false-reject rate that was asked for.
        good_count: pictures that they rest on.
    """

    image: float
    pixel: float
    alpha: float
    good_count: int


def calibrate(
    scores: NDArray[np.float32], peaks: NDArray[np.float32], alpha: float
) -> ConformalThresholds:
    """Both thresholds, from good pictures' scores [n] and highest map values [n].

    Raises:
        CalibrationError: see `conformal_threshold`.
    """
    return ConformalThresholds(
        image=conformal_threshold(scores, alpha),
        pixel=conformal_threshold(peaks, alpha),
        alpha=alpha,
        good_count=len(scores),
    )


def conformal_threshold(scores: NDArray[np.float32], alpha: float) -> float:
    """The ⌈(n + 1)(1 - α)⌉-th smallest of the scores [n] of good pictures.

    For exchangeable good pictures, P(score > threshold) ≤ α.

    Raises:
        CalibrationError: α is not between 0 and 1, a score is not finite, or n is too small
            for α.
    """
    rank = conformal_rank(len(scores), alpha)
    if not np.isfinite(scores).all():
        raise CalibrationError("a good picture's score is not a finite number; refit the model")
    return float(np.sort(scores)[rank - 1])


def conformal_rank(count: int, alpha: float) -> int:
    """⌈(n + 1)(1 - α)⌉ for n = `count` pictures, from 1 to n.

    Raises:
        CalibrationError: α is not between 0 and 1, or the rank exceeds n.
    """
    if not 0 < alpha < 1:
        raise CalibrationError(f"alpha is {alpha}; it must lie between 0 and 1")
    # In decimals, as written: in binary, 100 * (1 - 0.01) could come out just above 99.
    exact = Fraction(repr(float(alpha)))
    rank = math.ceil((count + 1) * (1 - exact))
    if rank > count:
        needed = math.ceil(1 / exact) - 1
        raise CalibrationError(
            f"unseen good pictures: {count}; alpha {alpha:g} needs at least {needed}{_or(count)}"
        )
    return rank


def _or(count: int) -> str:
    """The smallest α that n pictures allow, 1 / (n + 1), rounded up to a number to type."""
    if count == 0:
        return ""
    smallest = Fraction(1, count + 1)
    places = 2 - math.floor(math.log10(smallest))
    rounded_up = math.ceil(smallest * 10**places) / 10**places
    return f"; or ask for an alpha of {rounded_up:.{places}f}".rstrip("0") + " or more"
