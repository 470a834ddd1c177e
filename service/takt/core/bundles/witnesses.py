"""The two witnesses of a verdict: a picture's score, and its peak, the highest value of its map."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class BothThresholds(Protocol):
    """A threshold of scores and one of map values: of a manifest, or a pair in force."""

    @property
    def image(self) -> float:
        """A picture is anomalous if its score is greater."""

    @property
    def pixel(self) -> float:
        """A picture is anomalous if its peak is greater."""


def anomalous(
    thresholds: BothThresholds,
    scores: NDArray[np.floating[Any]],
    peaks: NDArray[np.floating[Any]],
) -> NDArray[np.bool_]:
    """Which of n pictures are anomalous by either witness, as the service would say.

    >>> from takt.core.bundles.thresholds import ThresholdPair
    >>> anomalous(ThresholdPair(1.0, 2.0), np.array([0.5, 1.5, 1.0]), np.array([2.5, 1.5, 2.0]))
    array([ True,  True, False])

    Args:
        thresholds: of score and map.
        scores: of the pictures [n].
        peaks: the highest map value of each [n].
    """
    # In float64, as the service compares; float32 would round the thresholds first.
    return (scores > np.float64(thresholds.image)) | (peaks > np.float64(thresholds.pixel))
