"""Confidence intervals of shares whose decisions depend on each other, part by part.

Decisions on one part are alike: three placements of a part say less than three parts. So a share
counts as if it came from an effective number of independent decisions, p(1 - p) / v, where v is the
variance of the share between parts; at least as many as there are parts and at most as many as
there are decisions. The interval is Clopper and Pearson's for that number (Korn and Graubard,
1998). Where no decision or each of them counts, nothing is known of how alike they are, and each
part counts as one decision.

A share of parts is a special case: each part is one decision, and the interval is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from scipy.stats import beta

CONFIDENCE = 0.95


@dataclass(frozen=True)
class FigureInterval:
    """Where a figure lies with 95 % confidence."""

    low: float
    high: float


class Estimate(Protocol):
    """A figure that parts were counted for."""

    @property
    def value(self) -> float:
        """The figure as it was found."""

    @property
    def parts(self) -> int:
        """Number of parts behind it."""

    def interval(self, parts: int | None = None) -> FigureInterval:
        """Its interval; or that of a study of so many parts that finds the same."""


@dataclass(frozen=True)
class Proportion:
    """A share of decisions or of parts.

    Attributes:
        count: decisions that count.
        of: all decisions.
        parts: number of parts that they were made on.
        effective: number of independent decisions that say as much.

    >>> none_missed = Proportion.of_parts(counts=[0, 0, 0, 0], totals=[3, 3, 3, 3])
    >>> none_missed.effective, round(none_missed.interval().high, 3)
    (4.0, 0.602)
    """

    count: float
    of: float
    parts: int
    effective: float

    @classmethod
    def of_parts(
        cls, counts: Sequence[float], totals: Sequence[float], most: float | None = None
    ) -> Self:
        """The share of all parts' decisions, at least one.

        Args:
            counts: decisions that count, for each part.
            totals: decisions, for each part; more than 0.
            most: largest number of independent decisions; the sum of `totals` if None.
        """
        found, made = np.asarray(counts, float), np.asarray(totals, float)
        parts, of = len(made), float(made.sum())
        share = float(found.sum()) / of
        effective = float(parts)
        if 0 < share < 1 and parts > 1:
            spread = float(np.sum((found - share * made) ** 2)) / of**2 * parts / (parts - 1)
            most = of if most is None else most
            known = share * (1 - share) / spread if spread > 0 else most
            effective = min(max(known, parts), max(most, parts))
        return cls(float(found.sum()), of, parts, effective)

    @property
    def value(self) -> float:
        """Between 0 and 1."""
        return self.count / self.of

    def interval(self, parts: int | None = None) -> FigureInterval:
        """Clopper and Pearson's interval; for another number of `parts` as if they did the same."""
        decisions = self.effective * (1 if parts is None else parts / self.parts)
        counted = self.value * decisions
        tail = (1 - CONFIDENCE) / 2
        return FigureInterval(
            low=float(beta.ppf(tail, counted, decisions - counted + 1)) if self.count else 0.0,
            high=float(beta.ppf(1 - tail, counted + 1, decisions - counted))
            if self.count < self.of
            else 1.0,
        )
