"""What a bundle records of its model's fit and of its self-test, and what speaks against it."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from takt.core.bundles.bearing import Bearing
from takt.core.bundles.next_lot import NextLot
from takt.core.bundles.strict_model import StrictModel
from takt.core.domain import FindingCode

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


FEWEST_GIVEN = 10
"""Given defects that say more than made-up ones."""

WORTH = 5.0
"""Points of the defects that a point of the good parts has to find, to be worth it."""


class AlphaPrice(StrictModel):
    """What thresholds at a false-reject rate reject and find."""

    alpha: float = Field(gt=0, lt=1)
    """Share of good pictures that may be rejected."""

    image: float
    """Threshold of the score."""

    pixel: float
    """Threshold of the map."""

    rejected: int = Field(ge=0)
    """Good pictures, which the model has not seen, that they reject."""

    made_up: int = Field(ge=0)
    """Made-up defects that they find."""

    given: int = Field(ge=0)
    """Given defects that they find."""

    next_lot: float | None = Field(default=None, ge=0, le=1)
    """Share of good pictures of a further lot that they reject at most, in nine of ten lots; None
    where that is not known."""


class Prices(StrictModel):
    """What a higher or lower false-reject rate would reject and find.

    >>> low = AlphaPrice(alpha=0.01, image=3, pixel=4, rejected=1, made_up=40, given=44)
    >>> high = AlphaPrice(alpha=0.05, image=2, pixel=3, rejected=5, made_up=60, given=82)
    >>> prices = Prices(alpha=0.01, good=100, made_up=72, given=100, at=(low, high))
    >>> prices.advice
    'at α = 5 % it finds 82 instead of 44 of the 100 given defects'
    >>> prices.model_copy(update={"alpha": 0.05}).advice is None
    True
    """

    alpha: float = Field(gt=0, lt=1)
    """The rate of the model's thresholds."""

    good: int = Field(ge=0)
    """Number of good pictures."""

    made_up: int = Field(ge=0)
    """Number of made-up defects."""

    given: int = Field(ge=0)
    """Number of given defects."""

    at: tuple[AlphaPrice, ...]
    """By rate, the lowest first."""

    @property
    def advice(self) -> str | None:
        """Another rate that is worth it, in words; None if none is.

        A higher one is where each further point of good parts finds more than `WORTH` points of the
        defects; a lower one where it finds as many and rejects fewer good pictures.
        """
        now = next((one for one in self.at if one.alpha == self.alpha), None)
        given = self.given >= FEWEST_GIVEN
        shown = self.given if given else self.made_up
        if now is None or not shown:
            return None
        kind = "given" if given else "made-up"

        def found(one: AlphaPrice) -> int:
            return one.given if given else one.made_up

        def gain(one: AlphaPrice) -> float:
            return (found(one) - found(now)) / shown - WORTH * (one.alpha - now.alpha)

        as_many = [
            one
            for one in self.at
            if found(one) == found(now) and one.rejected < now.rejected and one.alpha < now.alpha
        ]
        if as_many:
            return (
                f"at α = {100 * as_many[0].alpha:g} % it finds as many {kind} defects, and rejects "
                f"{as_many[0].rejected} instead of {now.rejected} of the {self.good} good pictures"
            )
        best = max(self.at, key=gain)
        if gain(best) <= 0 or best.alpha <= now.alpha:
            return None
        return (
            f"at α = {100 * best.alpha:g} % it finds {found(best)} instead of {found(now)} of the "
            f"{shown} {kind} defects"
        )


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

    prices: Prices | None = None
    """What other false-reject rates would cost and find; None if good pictures do not tell."""

    next_lot: NextLot | None = None
    """What is known of the next lot; None if good pictures give no thresholds."""

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
