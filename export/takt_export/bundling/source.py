"""What is about to become a bundle: a trained model and what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.bundle import Golden
from takt.core.bundles.findings import FitRecord
from takt.core.bundles.manifest import (
    CheckpointThresholds,
    InputType,
    Preprocess,
    Reference,
    ScoreFrom,
)
from takt.core.bundles.tiling import Tiling
from takt.core.domain import Batch
from takt_export.bundling.graph import GraphFacts
from takt_export.bundling.roi import PlacedRoi
from takt_export.calibration.cross_conformal import OutOfFoldScores
from takt_export.pictures import range_of_sizes


@dataclass(frozen=True)
class SourceFacts:
    """What a bundle says of its model.

    Attributes:
        family: `efficientad`, `inpformer`, …
        variant: of the family.
        framework: whose code trained it.
        preprocess: how a picture becomes the model's input.
        map_size: (h, w) of the anomaly map.
        reference: what `ModelSource.answer` runs.
        score_from: where a picture's score is taken.
        max_batch_size: most pictures that the graph takes at once; any number if None.
        padded_batch: whether it computes as many however few it is given.
        trained_thresholds: those of the training, if it left any.
        seen: `picture_digest` of each picture that the training has seen; empty if unknown.
        fit: what else is known of the training.
        out_of_fold: scores of some of those, each by the model without it; None if the training
            left none.
        made_with: versions of the packages that trained it.
        notes: what else its answers rest on, in words.
        roi: the region of interest; the whole map if None.
        tiling: the tiles in which the model sees pictures; it sees them whole if None.
    """

    family: str
    variant: str
    framework: str
    preprocess: Preprocess
    map_size: tuple[int, int]
    reference: Reference
    score_from: ScoreFrom = "model"
    max_batch_size: int | None = None
    padded_batch: bool = False
    trained_thresholds: CheckpointThresholds | None = None
    seen: tuple[str, ...] = ()
    fit: FitRecord = field(default_factory=FitRecord)
    out_of_fold: OutOfFoldScores | None = None
    made_with: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    roi: PlacedRoi | None = None
    tiling: Tiling | None = None

    @property
    def inside(self) -> NDArray[np.bool_] | None:
        """The cells of the map that count, bool [h, w]; all if None."""
        return self.roi.inside if self.roi else None


def fit_on(pictures: Sequence[Path]) -> FitRecord:
    """What pictures tell of the fit that saw them; nothing without any.

    Raises:
        PicturesError: one of them cannot be read.
    """
    if not pictures:
        return FitRecord()
    return FitRecord(pictures=len(pictures), sizes=range_of_sizes(pictures))


class ModelSource(Protocol):
    """A trained model that can write its graph and answer as it was trained."""

    @property
    def facts(self) -> SourceFacts:
        """What is known of the model."""

    def write_graph(self, path: Path, input_type: InputType) -> GraphFacts:
        """Write the bundle's graph: levels [N,H,W,3] RGB -> map [N,h,w], score [N].

        Raises:
            ExportError: the model cannot be brought into that form.
        """

    def answer(self, images: Batch) -> Golden:
        """Answers of the trained model itself to model inputs, [N,H,W,3] of either type.

        Raises:
            ExportError: it fails on them.
        """
