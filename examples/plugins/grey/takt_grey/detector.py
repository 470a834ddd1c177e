"""The detector, and how its checkpoints are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from takt_models.checkpoints.family import FamilyCheckpoints, OwnCheckpoints
from takt_models.detector import Detector

CELL = 8
"""Pixels on a side of what becomes one cell of the map."""


@dataclass(frozen=True)
class GreyConfig:
    """What shapes the detector: pixels on a side of its input."""

    side: int = 64

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> GreyConfig:
        """The settings of the plain values in a checkpoint."""
        return cls(**plain)

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the input in pixels."""
        return self.side, self.side


class Grey(Detector):
    """map = |mean grey of a cell - what is usual there|, score = its highest cell."""

    family = "grey"
    variant = "tiny"
    usual: Tensor

    def __init__(self, config: GreyConfig) -> None:
        super().__init__()
        self.config = config
        self.input_size = config.input_size
        self.map_size = (config.side // CELL, config.side // CELL)
        self.register_buffer("usual", torch.zeros(self.map_size))

    @property
    def lowest(self) -> float:
        """The least value of a map."""
        return 0.0

    def greys(self, images: Tensor) -> Tensor:
        """Mean grey of each cell [N,h,w] of images [N,3,H,W] from 0 to 1."""
        return F.avg_pool2d(images.mean(1), CELL)

    def score_of(self, values: Tensor) -> Tensor:
        """Scores [N] of the maps' cells [N,h·w]."""
        return values.amax(1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Maps [N,h,w] and scores [N] of images [N,3,H,W]."""
        anomaly_map = (self.greys(images) - self.usual).abs()
        return anomaly_map, self.score_of(anomaly_map.flatten(1))


CHECKPOINTS = FamilyCheckpoints(
    map_text=lambda _: "difference of greys",
    own=OwnCheckpoints(GreyConfig.from_dict, Grey),
)
