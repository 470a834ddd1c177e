"""Conformal thresholds of good parts as a manifest holds them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.conformal import METHOD, Alpha, calibrate
from takt.core.bundles.manifest import Thresholds
from takt_export.calibration.pictures_to_use import CalibrationPictures
from takt_export.pictures import range_of_sizes


def conformal_thresholds(
    scores: NDArray[np.float32],
    peaks: NDArray[np.float32],
    alpha: Alpha,
    pictures: CalibrationPictures,
    notes: Sequence[str],
) -> Thresholds:
    """Both thresholds, and what they rest on.

    Args:
        scores: of the good parts [n].
        peaks: highest map value of each [n].
        alpha: false-reject rate.
        pictures: from which these scores come.
        notes: further grounds.

    Raises:
        CalibrationError: as `conformal.calibrate` does.
    """
    found = calibrate(scores, peaks, alpha.value)
    return Thresholds(
        image=found.image,
        pixel=found.pixel,
        method=METHOD,
        promise=pictures.promise,
        alpha=alpha.value,
        good_count=len(scores),
        sizes=range_of_sizes([*pictures.unseen, *pictures.seen]),
        notes=(*notes, *pictures.notes, *alpha.notes),
    )
