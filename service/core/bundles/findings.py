"""What a bundle records of its model's fit and of its self-test, and what speaks against it."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from service.core.bundles.bearing import Bearing
from service.core.bundles.strict_model import StrictModel
from service.core.domain import FindingCode

GRAVE: frozenset[FindingCode] = frozenset({"made_up_missed"})
"""Findings that say not to serve the model: it answers only once somebody has activated it."""

SIZE_TOLERANCE = 0.1
"""Part of a side by which a picture may be smaller or larger than all of some others."""


class PictureSizes(StrictModel):
    """The sizes of some pictures as they are stored, in pixels."""

    least_width: int = Field(gt=0)
    most_width: int = Field(gt=0)
    least_height: int = Field(gt=0)
    most_height: int = Field(gt=0)

    def holds(self, width: int, height: int) -> bool:
        """Whether a size lies within these, or a tenth beyond."""
        low, high = 1 - SIZE_TOLERANCE, 1 + SIZE_TOLERANCE
        return (
            low * self.least_width <= width <= high * self.most_width
            and low * self.least_height <= height <= high * self.most_height
        )

    def has_shape(self, width: int, height: int) -> bool:
        """Whether a ratio of width to height lies within these, or a tenth beyond."""
        low, high = 1 - SIZE_TOLERANCE, 1 + SIZE_TOLERANCE
        least, most = self.least_width / self.most_height, self.most_width / self.least_height
        return low * least <= width / height <= high * most


class FitRecord(StrictModel):
    """What is known of the fit that made a model."""

    steps: int | None = Field(default=None, ge=0)
    """Steps of the optimiser; None where there are none, or nobody knows."""

    pictures: int | None = Field(default=None, ge=1)
    """Good pictures that the fit has seen; None if unknown."""

    sizes: PictureSizes | None = None
    """Their sizes, before they were resized."""

    auroc: float | None = Field(default=None, ge=0, le=1)
    """Image AUROC on held-out good pictures with made-up defects; None if the fit had none."""


class Finding(StrictModel):
    """One thing that speaks against a model."""

    code: FindingCode
    text: str
    """What was found, with its figures."""

    remedy: str
    """What to do about it."""


class SizeResult(StrictModel):
    """Made-up defects of one size."""

    side_px: int = Field(gt=0)
    """Side of a square of a defect's area, in pixels of the picture."""

    defects: int = Field(ge=1)
    found: int = Field(ge=0)
    """Those whose picture the model calls anomalous."""

    @model_validator(mode="after")
    def _found_are_defects(self) -> Self:
        if self.found > self.defects:
            raise ValueError("more made-up defects are found than there are")
        return self


class SelfTest(StrictModel):
    """A model's answers to made-up defects on pictures of good parts, and what was found.

    >>> tested = SelfTest(
    ...     pictures=4,
    ...     sizes=(
    ...         SizeResult(side_px=8, defects=12, found=3),
    ...         SizeResult(side_px=16, defects=12, found=11),
    ...     ),
    ...     made_at="2026-01-01T00:00:00+00:00",
    ... )
    >>> tested.text
    'finds 14 of 24 made-up defects; the smallest found is about 16 pixels'
    """

    pictures: int = Field(ge=0)
    """Number of good pictures that were altered."""

    sizes: tuple[SizeResult, ...]
    """Results by size, the smallest first; empty where no defect could be made up."""

    findings: tuple[Finding, ...] = ()
    """What speaks against the model, the gravest first."""

    bears: Bearing | None = None
    """What movement the model bears; None if that was not tested."""

    made_at: str
    """UTC, ISO 8601."""

    def says(self, code: FindingCode) -> bool:
        """Whether this speaks against the model."""
        return any(one.code == code for one in self.findings)

    @property
    def grave(self) -> Finding | None:
        """The gravest finding that says not to serve the model; None if none does."""
        return next((one for one in self.findings if one.code in GRAVE), None)

    @property
    def defects(self) -> int:
        """Number of made-up defects."""
        return sum(one.defects for one in self.sizes)

    @property
    def found(self) -> int:
        """Number of those whose picture the model calls anomalous."""
        return sum(one.found for one in self.sizes)

    @property
    def smallest_px(self) -> int | None:
        """The smallest size of which the model finds at least half; None if of none."""
        return next((one.side_px for one in self.sizes if 2 * one.found >= one.defects), None)

    @property
    def text(self) -> str:
        """The result in words."""
        if not self.sizes:
            return "no defect could be made up on these pictures"
        result = f"finds {self.found} of {self.defects} made-up defects"
        if self.smallest_px is None:
            return f"{result}, and of no size half"
        return f"{result}; the smallest found is about {self.smallest_px} pixels"
