"""The tiles in which a model sees a picture, as a manifest states them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from takt.core.bundles.strict_model import StrictModel

Blend = Literal["max", "mean", "linear"]


class Tiling(StrictModel):
    """Tiles in which the model sees a picture; each is resized to the model's input.

    An axis of a picture that is no longer than a tile's is covered by one tile.
    """

    width: int = Field(gt=0)
    """Columns of a tile, in pixels of the picture."""

    height: int = Field(gt=0)
    """Rows of a tile, in pixels of the picture."""

    overlap: int = Field(ge=0)
    """Least number of pixels that neighbouring tiles share."""

    blend: Blend
    """Map value where tiles overlap.

    max: their highest value. mean: their mean. linear: their mean, weighted by the distance to
    the border of each tile.
    """

    @model_validator(mode="after")
    def _overlap_within_half(self) -> Self:
        if 2 * self.overlap > min(self.width, self.height):
            raise ValueError("tiles may overlap by half of their shorter side at most")
        return self
