"""The region of interest, as a manifest states it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from takt.core.bundles.strict_model import StrictModel

ROI_MASK: Literal["roi.png"] = "roi.png"

_Share = Annotated[float, Field(ge=0, le=1)]
Polygon = Annotated[tuple[tuple[_Share, _Share], ...], Field(min_length=3)]
"""Corners (x, y), as fractions of the picture's width and height."""


class Roi(StrictModel):
    """The region of interest: the part of the picture that counts; see `takt.core.pictures.roi`.

    The graph itself leaves the rest out of its map and its score.
    """

    polygons: tuple[Polygon, ...] = ()
    """A point within any of them counts; the whole picture counts if there are none."""

    exclude: tuple[Polygon, ...] = ()
    """A point within any of them does not count."""

    mask: Literal["roi.png"] | None = None
    """A grey picture in the bundle, instead of polygons.

    It is stretched over the picture; what is not black counts.
    """

    share: float = Field(gt=0, le=1)
    """Fraction of the picture that counts."""

    outside: float
    """Map value where nothing counts; it makes no value that counts look normal."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.mask is not None and self.polygons:
            raise ValueError("it is a mask picture or polygons, not both")
        return self
