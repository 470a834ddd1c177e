"""What AIAG's attribute study asks of an inspection, and where a figure stands.

The limits are those that AIAG's manual Measurement Systems Analysis (4th edition, 2010) gives for
an appraiser: a guide, which it leaves to customer and supplier to change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from takt_msa.intervals import Estimate, FigureInterval

Rating = Literal["acceptable", "marginal", "not acceptable"]
RATINGS: tuple[Rating, ...] = ("acceptable", "marginal", "not acceptable")
"""Where a value stands, the best first."""

Finding = Literal["acceptable", "at least marginal", "not shown", "not acceptable"]
FINDINGS: tuple[Finding, ...] = ("acceptable", "at least marginal", "not shown", "not acceptable")
"""What an interval shows, the best first."""

MOST_PARTS = 1_000_000
"""More parts than this are no advice."""


@dataclass(frozen=True)
class Limit:
    """Limits of a figure.

    Attributes:
        acceptable: value from which on it is acceptable.
        marginal: value from which on it is marginal: acceptable for some uses, to be improved.
        least: whether values above the limits are the good ones.

    >>> MISS_RATE.rate(0.02), MISS_RATE.rate(0.03), EFFECTIVENESS.rate(0.5)
    ('acceptable', 'marginal', 'not acceptable')
    """

    acceptable: float
    marginal: float
    least: bool

    def rate(self, value: float) -> Rating:
        """Where a value stands."""
        if self._within(value, self.acceptable):
            return "acceptable"
        return "marginal" if self._within(value, self.marginal) else "not acceptable"

    def find(self, interval: FigureInterval) -> Finding:
        """What an interval shows: something holds if it holds for all of it.

        >>> MISS_RATE.find(FigureInterval(0, 0.02)), MISS_RATE.find(FigureInterval(0, 0.1))
        ('acceptable', 'not shown')
        """
        worse, better = interval.low, interval.high
        if not self.least:
            worse, better = better, worse
        match self.rate(worse), self.rate(better):
            case "acceptable", _:
                return "acceptable"
            case "marginal", _:
                return "at least marginal"
            case _, "not acceptable":
                return "not acceptable"
        return "not shown"

    def parts_needed(self, estimate: Estimate) -> int | None:
        """Fewest parts whose interval is acceptable as a whole, if they do as these did.

        Returns:
            None if the value itself is not within the limit, or more than `MOST_PARTS` are needed.
        """
        if self.rate(estimate.value) != "acceptable":
            return None
        few, many = 0, 1
        while self.find(estimate.interval(many)) != "acceptable":
            few, many = many, 2 * many
            if many > MOST_PARTS:
                return None
        while many - few > 1:
            middle = (few + many) // 2
            if self.find(estimate.interval(middle)) == "acceptable":
                many = middle
            else:
                few = middle
        return many

    def _within(self, value: float, limit: float) -> bool:
        return value >= limit if self.least else value <= limit


EFFECTIVENESS = Limit(acceptable=0.90, marginal=0.80, least=True)
MISS_RATE = Limit(acceptable=0.02, marginal=0.05, least=False)
FALSE_ALARM_RATE = Limit(acceptable=0.05, marginal=0.10, least=False)
KAPPA = Limit(acceptable=0.75, marginal=0.40, least=True)


def worst_rating(ratings: Iterable[Rating | None]) -> Rating:
    """The worst of ratings; those that are None do not count."""
    return max((one for one in ratings if one), key=RATINGS.index, default=RATINGS[0])


def worst_finding(findings: Iterable[Finding | None]) -> Finding:
    """The worst of findings; those that are None do not count."""
    return max((one for one in findings if one), key=FINDINGS.index, default=FINDINGS[0])
