"""The contract between a detector and its exporter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Mean and deviation of ImageNet's R, G and B in [0,1], by which networks expect their input."""

ScoreFrom = Literal["model", "map_on_picture"]
"""Origin of a picture's score: the model itself, or the maximum of the anomaly map after it was
resized (bilinear, half-pixel centres) to the size of the picture, which no model knows."""


class Detector(nn.Module, ABC):
    """A trained model: RGB in [0,1] becomes an anomaly map and a score.

    Attributes:
        family: name of its family, as `takt.core.families.every` lists it.
        variant: size within the family, such as `small`.
        input_size: (height, width) of the input in pixels.
        map_size: (height, width) of the anomaly map.
        score_from: origin of a picture's score.
        note_of_part: what else becomes of the score where only a part of the map counts, for
            people.
    """

    family: ClassVar[str]
    variant: str
    input_size: tuple[int, int]
    map_size: tuple[int, int]
    score_from: ScoreFrom = "model"
    note_of_part: ClassVar[str | None] = None

    @property
    @abstractmethod
    def lowest(self) -> float:
        """Lower bound of every cell of the anomaly map, for any picture."""

    @abstractmethod
    def score_of(self, values: Tensor) -> Tensor:
        """Scores [N] from the values [N,n] of those cells of N maps that count, in any order."""

    @property
    def scored_size(self) -> tuple[int, int]:
        """(height, width) of the map whose cells make the score; mostly the anomaly map itself."""
        return self.map_size

    def scored(self, anomaly_map: Tensor) -> Tensor:
        """The anomaly map [N,h,w] -> the map of `scored_size` whose cells make the score."""
        return anomaly_map

    @abstractmethod
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """RGB [N,3,H,W] in [0,1] -> anomaly map [N,h,w] and score [N], both float32, unbounded."""
