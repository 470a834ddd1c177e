"""Good pictures that score far above the others, where one of them makes the threshold.

Such a picture hides every defect that scores below it. It may be a defective part in the wrong
folder, a picture out of focus, or a rare good part that the model has seen too few of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.bundles.calibration.conformal import conformal_threshold
from service.errors import CalibrationError

FAR = 4
"""How far above the median a score is odd, in distances from the median to `USUAL_SHARE`."""

USUAL_SHARE = 0.9
"""Share of the good pictures that are taken to be like each other."""

FEWEST = 10
"""Fewest scores that tell what is far."""


@dataclass(frozen=True)
class OddPictures:
    """Good pictures far above the others, the highest first.

    Attributes:
        names: of their files; None for one whose file is not known.
        count: number of scores that the threshold rests on.
        threshold: that one of them makes.
        without: what the threshold would be without them.
    """

    names: tuple[str | None, ...]
    count: int
    threshold: float
    without: float


def odd_pictures(
    scores: NDArray[np.float32], names: Sequence[str | None], alpha: float
) -> OddPictures | None:
    """The odd pictures, if one of them makes the threshold; at most a tenth of all can be odd.

    >>> scores = np.array([*range(20), 1000], np.float32)
    >>> odd_pictures(scores, [f"{score:g}.png" for score in scores], alpha=0.05)
    OddPictures(names=('1000.png',), count=21, threshold=1000.0, without=19.0)

    Args:
        scores: of the good pictures that the threshold rests on [n].
        names: of their files.
        alpha: false-reject rate of the threshold.

    Raises:
        CalibrationError: alpha needs more scores.
    """
    if len(scores) < FEWEST:
        return None
    threshold = conformal_threshold(scores, alpha)
    usual, most = np.quantile(scores, (0.5, USUAL_SHARE), method="inverted_cdf").tolist()
    limit = usual + FAR * (most - usual)
    if threshold <= limit:
        return None
    odd = [int(index) for index in np.argsort(-scores, kind="stable") if scores[index] > limit]
    return OddPictures(
        tuple(names[index] for index in odd),
        len(scores),
        threshold,
        _threshold(scores[scores <= limit], alpha),
    )


def _threshold(scores: NDArray[np.float32], alpha: float) -> float:
    """That for alpha, or the lowest that so few scores allow."""
    try:
        return conformal_threshold(scores, alpha)
    except CalibrationError:
        return float(scores.max())
