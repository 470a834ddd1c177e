"""Thresholds with a guarantee: split conformal prediction on good pictures.

Let s_1 ≤ … ≤ s_n be the scores of n good pictures that the model was not fitted on. With

    k = ⌈(n + 1)(1 - α)⌉,  threshold = s_k,

a further good picture, exchangeable with those, has P(score > threshold) ≤ α, whatever the
model and the distribution of its scores (Vovk et al., 2005; Lei et al., 2018). The probability
is over the calibration pictures and the new one together: a single calibration may lie above or
below α, by about √(α(1-α)/n). Nothing is promised where the line, the light or the parts change.

Two witnesses speak of a picture: its score, and its peak, the highest value of its map. It is
anomalous if either exceeds its threshold. `calibrate` finds both thresholds together, so that of
the n good pictures at most n - k exceed any of them. The joint rank of a picture is the higher one
of the ranks of its score and of its peak, each among the n; let r be the k-th smallest joint rank.
Then the threshold of scores is s_r, and that of peaks is the r-th smallest peak.

Proven, for a further good picture that is exchangeable with those:

- each threshold alone is exceeded with a probability of at most α, since r ≥ k;
- either is exceeded with a probability of at most 2α;
- if no two scores are equal and no two peaks, with at most (n + 2 - k) / (n + 1) ≤ α + 1 / (n + 1).
  For the joint ranks among all n + 1 are exchangeable, and each is at most one higher than among
  n; so the new picture's has to be at least the k-th smallest of the other n. That of at most
  n + 2 - k of the n + 1 is, as at most two pictures have one joint rank.

A full conformal threshold would rank the new picture with the others, and promise α itself. Here
the calibrating pictures alone rank each other, which costs the 1 / (n + 1). Measured, not proven:
rates near α where n is many times 1/α. With k = n, the fewest pictures, nothing of these n is
rejected, and the rate is 2 / (n + 1) where score and peak have nothing to do with each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.manifest import SPLIT_CONFORMAL
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.errors import CalibrationError

METHOD = SPLIT_CONFORMAL
USUAL_ALPHA = 0.01
"""The false-reject rate unless --alpha says otherwise, if the pictures allow it."""

MOST_FOR_ROBUSTNESS = 0.1
"""Highest false-reject rate that is taken so that one odd picture does not make the threshold."""


@dataclass(frozen=True)
class Alpha:
    """A false-reject rate that the pictures allow.

    Attributes:
        value: between 0 and 1.
        notes: why it is not the usual one, unless it was given.
    """

    value: float
    notes: tuple[str, ...] = ()


def choose_alpha(given: float | None, count: int) -> Alpha:
    """The false-reject rate to calibrate for, with n = `count` good pictures.

    It is the given one, else `USUAL_ALPHA` if n allows it. Fewer pictures get 2 / (n + 1), with
    which the second highest score is the threshold, so that one odd picture does not make it
    alone; but 1 / (n + 1), the smallest possible, where 2 / (n + 1) exceeds a tenth.

    >>> choose_alpha(None, 19).value, choose_alpha(None, 9).value
    (0.1, 0.1)

    Raises:
        CalibrationError: the given one needs more pictures, or there is no picture.
    """
    if given is not None or count == 0 or USUAL_ALPHA * (count + 1) >= 1:
        value = USUAL_ALPHA if given is None else given
        conformal_rank(count, value)
        return Alpha(value)
    value, smallest = smallest_alpha(2, count), smallest_alpha(1, count)
    if value <= MOST_FOR_ROBUSTNESS:
        note = (
            f"alpha is {value:g}, so that no single one of {count} good pictures makes the "
            f"threshold; {smallest:g} is the smallest that they allow, and {USUAL_ALPHA:g} needs "
            f"{needed_for(USUAL_ALPHA)}"
        )
        return Alpha(value, (note,))
    pictures = f"{count} good pictures allow" if count > 1 else "a single good picture allows"
    note = (
        f"alpha is {smallest:g}, the smallest that {pictures}; {USUAL_ALPHA:g} needs "
        f"{needed_for(USUAL_ALPHA)}"
    )
    return Alpha(smallest, (note,))


def needed_for(alpha: float) -> int:
    """The fewest good pictures with which a false-reject rate can be promised: ⌈1/α⌉ - 1."""
    return math.ceil(1 / _exact(alpha)) - 1


def warning_of_ties(scores: NDArray[np.float32]) -> str | None:
    """A warning if the scores [n] of all good pictures are the same."""
    if len(scores) < 2 or np.ptp(scores) > 0:
        return None
    return (
        f"warning: all {len(scores)} good pictures score {scores[0]:.6g}: the model tells them "
        "not apart, and perhaps nothing else either"
    )


def calibrate(
    scores: NDArray[np.float32], peaks: NDArray[np.float32], alpha: float
) -> ThresholdPair:
    """Both thresholds, from good pictures' scores [n] and highest map values [n].

    Both are of one rank in their own values: the lowest at which at most n - k pictures exceed
    either, with k as of `conformal_threshold`. Where scores and peaks rank the pictures alike, both
    are conformal thresholds. Where they do not, both are higher, so that the pictures that either
    rejects are still as few. The module says what that proves.

    >>> scores = np.arange(1, 20, dtype=np.float32)
    >>> calibrate(scores, 10 * scores, alpha=0.1) == ThresholdPair(image=18.0, pixel=180.0)
    True
    >>> calibrate(scores, scores[::-1], alpha=0.1) == ThresholdPair(image=19.0, pixel=19.0)
    True

    Raises:
        CalibrationError: as `conformal_threshold` does.
    """
    fewest = conformal_rank(len(scores), alpha)
    if not (np.isfinite(scores).all() and np.isfinite(peaks).all()):
        raise CalibrationError("a good picture's score is not a finite number; refit the model")
    ordered = np.sort(scores), np.sort(peaks)
    # A value exceeds the threshold at an index of the order if more values than that are lower.
    lower = [
        np.searchsorted(of_all, values)
        for of_all, values in zip(ordered, (scores, peaks), strict=True)
    ]
    rank = int(np.sort(np.maximum(*lower))[fewest - 1])
    return ThresholdPair(image=float(ordered[0][rank]), pixel=float(ordered[1][rank]))


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
    rank = math.ceil((count + 1) * (1 - _exact(alpha)))
    if rank > count:
        other = f"; or ask for an alpha of {smallest_alpha(1, count):g} or more" if count else ""
        raise CalibrationError(
            f"unseen good pictures: {count}; alpha {alpha:g} needs at least "
            f"{needed_for(alpha)}{other}"
        )
    return rank


def _exact(alpha: float) -> Fraction:
    """The decimal number as written: in binary, 100 * (1 - 0.01) could be just above 99."""
    return Fraction(repr(float(alpha)))


def smallest_alpha(above: int, count: int) -> float:
    """`above` / (n + 1), the smallest α with which that highest of n scores is the threshold.

    It is rounded up to three digits.

    >>> smallest_alpha(1, 99), smallest_alpha(2, 42)
    (0.01, 0.0466)
    """
    share = Fraction(above, count + 1)
    places = 2 - math.floor(math.log10(share))
    return float(math.ceil(share * 10**places) / 10**places)
