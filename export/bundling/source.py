"""What is about to become a bundle: a trained model and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from export.bundling.graph import GraphFacts
from export.bundling.roi import PlacedRoi
from service.bundles.bundle import Golden
from service.bundles.manifest import CheckpointThresholds, Preprocess, Reference, ScoreFrom, Tiling


@dataclass(frozen=True)
class SourceFacts:
    """What a bundle says of its model.

    Attributes:
        family: `efficientad`, `inpformer`, …
        variant: of the family.
        framework: whose code trained it.
        preprocess: how a picture becomes the model's input.
        map_width: of the anomaly map.
        map_height: likewise.
        reference: what `answer` runs.
        score_from: where a picture's score is taken.
        max_batch_size: most pictures that the graph takes at once; any number if None.
        trained_thresholds: those of the training, if it left any.
        seen: `picture_digest` of each picture that the training looked at; empty if unknown.
        made_with: versions of the packages that trained it.
        notes: what else its answers rest on, in words.
        roi: the cells of its map that count; all if None.
        tiling: the tiles in which it will see pictures; as a whole if None.
    """

    family: str
    variant: str
    framework: str
    preprocess: Preprocess
    map_width: int
    map_height: int
    reference: Reference
    score_from: ScoreFrom = "model"
    max_batch_size: int | None = None
    trained_thresholds: CheckpointThresholds | None = None
    seen: tuple[str, ...] = ()
    made_with: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    roi: PlacedRoi | None = None
    tiling: Tiling | None = None

    @property
    def map_size(self) -> tuple[int, int]:
        """(h, w) of the anomaly map."""
        return self.map_height, self.map_width


class Source(Protocol):
    """A trained model that can write its graph and answer as it was trained."""

    @property
    def facts(self) -> SourceFacts:
        """What is known of it."""

    def write_graph(self, path: Path) -> GraphFacts:
        """Write the bundle's graph: uint8 [N,H,W,3] RGB -> map [N,h,w], score [N].

        Raises:
            ExportError: it cannot be brought into that form.
        """

    def answer(self, images: NDArray[np.uint8]) -> Golden:
        """What the trained model itself answers to model inputs, uint8 [N,H,W,3].

        Raises:
            ExportError: it fails on them.
        """
