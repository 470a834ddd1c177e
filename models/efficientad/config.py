"""The settings that shape an EfficientAD."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Size = Literal["small", "medium"]
MapRecipe = Literal["anomalib", "nelson1425"]

TEACHER_CHANNELS = 384
"""Features that the paper's teacher says of each patch."""

MAP_BORDER = 4
"""Cells that the maps of unpadded networks lack on each side."""


@dataclass(frozen=True)
class EfficientAdConfig:
    """Settings that shape an EfficientAD; its weights fit one such set only.

    Attributes:
        size: size of teacher and student.
        image_size: side of the square input in pixels; a multiple of 32, at least 256.
        padding: whether convolutions are padded (only anomalib offers it).
        pad_maps: whether maps get back the border that unpadded convolutions lose.
        recipe: code base whose order of normalising, padding and resizing the maps is followed.
        teacher_channels: C, the features of a patch. The paper's teacher has 384; a teacher that
            was distilled from a backbone of fewer needs no more than that, and answers sooner.
        scored_share: share of the map's cells, the highest ones, whose mean is the score; 0
            stands for the paper's score, the map's maximum.

    >>> EfficientAdConfig(size="medium").image_size
    256
    >>> EfficientAdConfig(image_size=250)
    Traceback (most recent call last):
    ValueError: image_size is 250; it must be a multiple of 32 and at least 256
    """

    size: Size = "small"
    image_size: int = 256
    padding: bool = False
    pad_maps: bool = True
    recipe: MapRecipe = "anomalib"
    teacher_channels: int = TEACHER_CHANNELS
    scored_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.scored_share < 1:
            raise ValueError(f"scored_share is {self.scored_share}; it must be from 0 to below 1")
        if self.scored_share and self.recipe == "nelson1425":
            raise ValueError("scored_share is not of nelson1425's recipe, which scores the picture")
        if self.image_size < 256 or self.image_size % 32:
            raise ValueError(
                f"image_size is {self.image_size}; it must be a multiple of 32 and at least 256"
            )
        if self.teacher_channels < 1:
            raise ValueError(f"teacher_channels is {self.teacher_channels}; it must be at least 1")

    @property
    def map_side(self) -> int:
        """Side of the anomaly map in cells: of the input by anomalib, of the features else."""
        if self.recipe == "anomalib":
            return self.image_size
        return self.image_size // 4 - (0 if self.pad_maps else 2 * MAP_BORDER)

    def as_dict(self) -> dict[str, str | int | bool | float]:
        """The settings as plain values, for a checkpoint's metadata."""
        return asdict(self)
