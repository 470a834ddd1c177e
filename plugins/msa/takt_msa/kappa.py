"""Kappa: agreement beyond what chance would give.

With D the share of pairs of decisions that disagree and E the share that would disagree by chance,
given how often each side rejects, kappa = 1 - D/E: Cohen's, where the two sides are told apart
(an appraiser and the reference, two appraisers); Fleiss', where they are not (trials of one part,
whose order means nothing). Its interval is that of D, whose parts are clusters, at the E that was
found. `docs/msa.md` says how often it holds the true value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from takt_msa.intervals import FigureInterval, Proportion


class DecisionPair(NamedTuple):
    """Two decisions on the same placement: whether each of them is a rejection."""

    first: bool
    second: bool


@dataclass(frozen=True)
class Kappa:
    """Agreement beyond chance: 1 is perfect, 0 as good as chance.

    Attributes:
        disagreement: share of pairs that disagree.
        by_chance: share that would disagree by chance; more than 0.
    """

    disagreement: Proportion
    by_chance: float

    @property
    def value(self) -> float:
        """At most 1."""
        return 1 - self.disagreement.value / self.by_chance

    @property
    def parts(self) -> int:
        """Number of parts that were decided on."""
        return self.disagreement.parts

    def interval(self, parts: int | None = None) -> FigureInterval:
        """From that of the disagreement."""
        found = self.disagreement.interval(parts)
        return FigureInterval(1 - found.high / self.by_chance, 1 - found.low / self.by_chance)


def cohens_kappa(parts: Sequence[Sequence[DecisionPair]]) -> Kappa | None:
    """Cohen's kappa of pairs of decisions, pooled over all parts; None if it is not defined.

    Args:
        parts: the pairs of each part, at least one each.

    >>> both = DecisionPair(first=True, second=True)
    >>> none = DecisionPair(first=False, second=False)
    >>> cohens_kappa([[both], [none], [none, DecisionPair(first=True, second=False)]]).value
    0.5
    """
    pairs = [pair for part in parts for pair in part]
    if not pairs:
        return None
    first = sum(pair.first for pair in pairs) / len(pairs)
    second = sum(pair.second for pair in pairs) / len(pairs)
    by_chance = first * (1 - second) + second * (1 - first)
    if by_chance == 0:
        return None
    disagreeing = [sum(pair.first != pair.second for pair in part) for part in parts]
    return Kappa(Proportion.of_parts(disagreeing, [len(part) for part in parts]), by_chance)


def fleiss_kappa(parts: Sequence[Sequence[bool]]) -> Kappa | None:
    """Fleiss' kappa of the decisions on each part, at least two each; None if it is not defined.

    Each part weighs the same, however many decisions it has.

    >>> fleiss_kappa([[True, True], [False, False], [True, False]]).value
    0.33333333333333337
    """
    if not parts:
        return None
    rejected = [sum(part) / len(part) for part in parts]
    share = sum(rejected) / len(parts)
    by_chance = 2 * share * (1 - share)
    if by_chance == 0:
        return None
    disagreeing = [
        2 * one * (1 - one) * len(part) / (len(part) - 1)
        for one, part in zip(rejected, parts, strict=True)
    ]
    decisions = sum(map(len, parts))
    return Kappa(Proportion.of_parts(disagreeing, [1.0] * len(parts), decisions), by_chance)
