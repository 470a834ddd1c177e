"""Conformal thresholds of good parts as a manifest holds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.calibration.conformal import METHOD, Alpha, calibrate
from service.bundles.manifest import Thresholds


def conformal_thresholds(
    scores: NDArray[np.float32],
    peaks: NDArray[np.float32],
    alpha: Alpha,
    notes: tuple[str, ...],
) -> Thresholds:
    """Both thresholds, and what they rest on.

    Args:
        scores: of the good parts [n].
        peaks: highest map value of each [n].
        alpha: false-reject rate.
        notes: further grounds.

    Raises:
        CalibrationError: as `conformal.calibrate` does.
    """
    found = calibrate(scores, peaks, alpha.value)
    return Thresholds(
        image=found.image,
        pixel=found.pixel,
        method=METHOD,
        alpha=alpha.value,
        good_count=len(scores),
        notes=(*notes, *alpha.notes),
    )
