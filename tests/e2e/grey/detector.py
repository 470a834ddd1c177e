from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from takt_models.detector import Detector

CELL = 8


@dataclass(frozen=True)
class GreyConfig:
    side: int = 64

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> GreyConfig:
        return cls(**plain)

    @property
    def input_size(self) -> tuple[int, int]:
        return self.side, self.side


class Grey(Detector):
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
        return 0.0

    def greys(self, images: Tensor) -> Tensor:
        return F.avg_pool2d(images.mean(1), CELL)

    def score_of(self, values: Tensor) -> Tensor:
        return values.amax(1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        anomaly_map = (self.greys(images) - self.usual).abs()
        return anomaly_map, self.score_of(anomaly_map.flatten(1))
