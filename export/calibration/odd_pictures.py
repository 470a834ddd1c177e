"""Good pictures that score far above the others.

Such a picture raises the threshold, and hides every defect that scores below it. It may be a
defective part in the wrong folder, a picture out of focus, or a rare good part that the model has
seen too few of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import CalibrationError

Rule = Callable[[NDArray[np.float32]], float]
"""Gives the threshold of the scores [n] of good pictures."""

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
        threshold: that all of them make.
        without: what the threshold would be without them.
    """

    names: tuple[str | None, ...]
    count: int
    threshold: float
    without: float


def odd_pictures(
    scores: NDArray[np.float32], names: Sequence[str | None], rule: Rule
) -> OddPictures | None:
    """The odd pictures, if there are some; at most a tenth of all can be odd.

    >>> scores = np.array([*range(20), 1000], np.float32)
    >>> odd_pictures(scores, [f"{score:g}.png" for score in scores], lambda some: some.max())
    OddPictures(names=('1000.png',), count=21, threshold=1000.0, without=19.0)

    Args:
        scores: of the good pictures that the threshold rests on [n].
        names: of their files.
        rule: finds the threshold.

    Raises:
        CalibrationError: the rule needs more scores.
    """
    if len(scores) < FEWEST:
        return None
    usual, most = np.quantile(scores, (0.5, USUAL_SHARE), method="inverted_cdf").tolist()
    limit = usual + FAR * (most - usual)
    odd = [int(index) for index in np.argsort(-scores, kind="stable") if scores[index] > limit]
    if not odd:
        return None
    others = scores[scores <= limit]
    return OddPictures(
        tuple(names[index] for index in odd),
        len(scores),
        float(rule(scores)),
        _threshold(others, rule),
    )


def _threshold(scores: NDArray[np.float32], rule: Rule) -> float:
    """That of the rule, or the highest score where they are too few for it."""
    try:
        return float(rule(scores))
    except CalibrationError:
        return float(scores.max())
