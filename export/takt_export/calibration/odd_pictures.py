"""Good pictures that score far above the others.

Such a picture raises the threshold, and hides every defect that scores below it. It may be a
defective part in the wrong folder, a picture out of focus, or a rare good part that the model has
seen too few of.

One picture is told by its distance from the others. Several hide each other: they are most of the
highest scores, and make them look usual. So where the highest tenth goes farther than a tail of
good pictures (`outliers.outlying`), all are odd that score above what 1 % of good ones
would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from takt.core.errors import CalibrationError
from takt_export.calibration.outliers import outlying

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
        left_out: whether the thresholds of the bundle rest on the others alone.
    """

    names: tuple[str | None, ...]
    count: int
    threshold: float
    without: float
    left_out: bool = False


def odd_pictures(
    scores: NDArray[np.float32],
    names: Sequence[str | None],
    rule: Rule,
    left_out: NDArray[np.bool_] | None = None,
) -> OddPictures | None:
    """The odd pictures, if there are some; at most a tenth of all can be odd.

    >>> scores = np.array([*range(20), 1000], np.float32)
    >>> odd_pictures(scores, [f"{score:g}.png" for score in scores], lambda some: some.max())
    OddPictures(names=('1000.png',), count=21, threshold=1000.0, without=19.0, left_out=False)

    Args:
        scores: of the good pictures that the threshold rests on [n].
        names: of their files.
        rule: finds the threshold.
        left_out: which of them the thresholds leave out as outliers; None for none.

    Raises:
        CalibrationError: the rule needs more scores.
    """
    if len(scores) < FEWEST:
        return None
    usual, most = np.quantile(scores, (0.5, USUAL_SHARE), method="inverted_cdf").tolist()
    is_odd = (scores > usual + FAR * (most - usual)) | outlying(scores)
    if left_out is not None:
        is_odd |= left_out
    odd = [int(index) for index in np.argsort(-scores, kind="stable") if is_odd[index]]
    if not odd:
        return None
    others = scores[~is_odd]
    return OddPictures(
        tuple(names[index] for index in odd),
        len(scores),
        float(rule(scores)),
        _threshold(others, rule),
        left_out=left_out is not None and bool(left_out.any()),
    )


def _threshold(scores: NDArray[np.float32], rule: Rule) -> float:
    """That of the rule, or the highest score where they are too few for it."""
    try:
        return float(rule(scores))
    except CalibrationError:
        return float(scores.max())
