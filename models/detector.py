"""What every detector offers to whoever exports it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Mean and deviation of ImageNet's R, G and B in [0,1], by which networks expect their input."""

ScoreFrom = Literal["model", "map_on_picture"]
"""Where a picture's score is taken: by the model itself, or as the maximum of its map after that
was resized (bilinear, half-pixel centres) to the picture's own size, which no model knows."""


class Detector(nn.Module, ABC):
    """A trained model: RGB in [0,1] becomes an anomaly map and a score.

    Attributes:
        family: `efficientad` or `inpformer`.
        score_from: see `ScoreFrom`.
    """

    family: ClassVar[str]
    score_from: ScoreFrom = "model"

    @property
    @abstractmethod
    def variant(self) -> str:
        """Of the family, such as `small`."""

    @property
    @abstractmethod
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the pictures that it takes, in pixels."""

    @property
    @abstractmethod
    def map_size(self) -> tuple[int, int]:
        """(height, width) of its anomaly map."""

    @property
    @abstractmethod
    def lowest(self) -> float:
        """A value that no cell of its map lies below, whatever the picture."""

    @abstractmethod
    def score_of(self, values: Tensor) -> Tensor:
        """The values [N,n] of those cells of N maps that count, in any order -> score [N]."""

    @abstractmethod
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """RGB [N,3,H,W] in [0,1] -> anomaly map [N,h,w] and score [N], both float32, unbounded."""
