"""What a bundle records of the next lot: how many of its good parts may be rejected."""

from __future__ import annotations

from pydantic import Field

from takt.core.bundles.strict_model import StrictModel

SURE = 0.9
"""Share of further lots that are to lie below a limit."""


class NextLot(StrictModel):
    """What the lots that a model was calibrated with tell of the next one.

    >>> eleven = NextLot(lots=11, such_as="2026-01-31", rejected=9, good=180, limit=0.134)
    >>> eleven.text.partition(",")[0]
    'up to 13 % of the good parts of a further lot (9 of 10 lots)'
    >>> NextLot(lots=1, rejected=2, good=99).text.partition(";")[0]
    'measured on one lot: expect more rejects of the next one'
    """

    lots: int = Field(ge=0)
    """Number of lots; 0 where nothing tells lots apart."""

    such_as: str = ""
    """Name of one of them."""

    rejected: int = Field(ge=0)
    """Good pictures that the thresholds reject, each by a model that has not seen it."""

    good: int = Field(ge=0)
    """Number of good pictures, those among them that do not count for the thresholds."""

    limit: float | None = Field(default=None, ge=0, le=1)
    """Share of good pictures of a further lot that is not exceeded in nine of ten lots; None where
    lots are too few, or the model has seen others of each picture's lot."""

    limit_of_twice: float | None = Field(default=None, ge=0, le=1)
    """About what the limit would be with twice as many lots that differ as these do."""

    @property
    def text(self) -> str:
        """What is rejected of the next lot, and what would tell more."""
        if self.limit is None:
            return self._not_measured
        text = (
            f"up to {_percent(self.limit)} of the good parts of a further lot (9 of 10 lots), by "
            f"how {self.lots} lots differ, such as {self.such_as}; of these {self.good} good "
            f"pictures {self.rejected}"
        )
        if self.limit_of_twice is not None and self.limit - self.limit_of_twice >= _TOLD_FROM:
            text += f"; with twice as many lots about {_percent(self.limit_of_twice)}"
        return text

    @property
    def _not_measured(self) -> str:
        expect = "expect more rejects of the next one"
        match self.lots:
            case 0:
                return f"nothing tells the lots of these pictures: {expect}; --lot names them"
            case 1 | 2:
                known = "one lot" if self.lots == 1 else "two lots"
                return (
                    f"measured on {known}: {expect}; learn with pictures of further lots, in a "
                    "folder each"
                )
            case _:
                return f"the model has seen others of each picture's lot: {expect}"


_TOLD_FROM = 0.005


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
