"""The settings that shape an EfficientAD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from takt_models.input_size import SizeLimits, with_sides

Size = Literal["small", "medium"]
MapRecipe = Literal["anomalib", "nelson1425"]

TEACHER_CHANNELS = 384
"""Features that the paper's teacher says of each patch."""

MAP_BORDER = 4
"""Cells that the maps of unpadded networks lack on each side."""

SIZES = SizeLimits(
    multiple=32,
    least=256,
    usual_side=256,
    why_least="the autoencoder's encoder ends in a convolution of 8 x 8 on a 32nd of the input",
)
"""Sizes of the input; five convolutions halve its sides before that last one."""


@dataclass(frozen=True)
class EfficientAdConfig:
    """Settings that shape an EfficientAD; its weights fit one such set only.

    Attributes:
        size: size of teacher and student.
        width: columns of the input in pixels; a multiple of 32, at least 256.
        height: rows of the input in pixels; a multiple of 32, at least 256.
        padding: whether convolutions are padded (only anomalib offers it).
        pad_maps: whether maps get back the border that unpadded convolutions lose.
        recipe: code base whose order of normalising, padding and resizing the maps is followed.
        teacher_channels: C, the features of a patch. The paper's teacher has 384; a teacher that
            was distilled from a backbone of fewer needs no more than that, and answers sooner.
        scored_share: share of the map's cells, the highest ones, whose mean is the score; 0
            stands for the paper's score, the map's maximum.

    >>> EfficientAdConfig(width=640).map_size
    (256, 640)
    >>> EfficientAdConfig(width=650)
    Traceback (most recent call last):
    ValueError: width is 650; it must be a multiple of 32, such as 256
    """

    size: Size = "small"
    width: int = 256
    height: int = 256
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
        SIZES.check(self.width, self.height)
        if self.teacher_channels < 1:
            raise ValueError(f"teacher_channels is {self.teacher_channels}; it must be at least 1")

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The settings from plain values; an older checkpoint has one `image_size` for both sides.

        Raises:
            TypeError: a name is unknown.
            ValueError: a value makes no sense.
        """
        return cls(**with_sides(plain))

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the input in pixels."""
        return self.height, self.width

    @property
    def map_size(self) -> tuple[int, int]:
        """(height, width) of the anomaly map: of the input by anomalib, of the features else."""
        if self.recipe == "anomalib":
            return self.input_size
        lost = 0 if self.pad_maps else 2 * MAP_BORDER
        return self.height // 4 - lost, self.width // 4 - lost

    def as_dict(self) -> dict[str, str | int | bool | float]:
        """The settings as plain values, for a checkpoint's metadata."""
        return asdict(self)
