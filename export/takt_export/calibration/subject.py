"""A model with its thresholds, as those that test it before it is served see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.findings import FitRecord
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.domain import Image
from takt_export.calibration.next_lot import ScoresByLot
from takt_export.calibration.odd_pictures import OddPictures
from takt_export.pictures import read_picture

Look = Callable[[Image], tuple[float, float]]
"""A whole picture -> its score and the highest value of its map, as the service would have them."""

Shown = NDArray[np.bool_] | None
"""The pixels [H,W] of an altered picture that a camera could have seen; all if None."""

Counted = Callable[[int, int], NDArray[np.bool_]]
"""(width, height) -> bool [height,width]: the pixels of a picture that the model judges."""


LookUnseen = Callable[[Path, Image, Shown], tuple[float, float]]
"""A good picture's file, the picture altered and what of it is shown -> score and highest value."""


@dataclass(frozen=True)
class Subject:
    """A model with its thresholds, and the scores of the pictures that these rest on.

    Attributes:
        family: of the model.
        fit: what is known of its fit.
        thresholds: of score and map; a picture that exceeds either is anomalous.
        look: looks at a whole picture.
        counted: the pixels of a picture that the model judges.
        good_score: scores of the calibrating pictures [n], in their order, by a model that has not
            seen them.
        good_peak: their highest map values [n].
        defect_score: scores of the given defective pictures [m].
        defect_peak: their highest map values [m].
        odd: good pictures that score far above the others; None if none does.
        alpha: false-reject rate of the thresholds; None if good pictures gave none.
        unseen: score and peak that an altered picture would have if the model had not seen the
            picture; those of `look` if None.
        read: reads a picture as the model sees it, RGB uint8 [H,W,3].
        at: both thresholds at another false-reject rate; None where good pictures do not give them.
        by_lot: scores of all that calibrates, with their lots; None if good pictures gave no
            thresholds.
    """

    family: str
    fit: FitRecord
    thresholds: ThresholdPair
    look: Look
    counted: Counted
    good_score: NDArray[np.float32]
    good_peak: NDArray[np.float32]
    defect_score: NDArray[np.float32]
    defect_peak: NDArray[np.float32]
    odd: OddPictures | None = None
    alpha: float | None = None
    unseen: LookUnseen | None = None
    read: Callable[[Path], Image] = read_picture
    at: Callable[[float], ThresholdPair] | None = None
    by_lot: ScoresByLot | None = None

    def look_unseen(self, path: Path, altered: Image, shown: Shown = None) -> tuple[float, float]:
        """Score and peak of an altered picture, as if the model had not seen the picture.

        Args:
            path: of the picture.
            altered: the picture, altered.
            shown: the pixels of it that count, where a model has seen the picture; another one has
                a single score for all of them.
        """
        if self.unseen is None:
            return self.look(altered)
        return self.unseen(path, altered, shown)
