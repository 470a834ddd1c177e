"""A model's promise: how many good parts it rejects, and whether that is more than it may.

A threshold from n good pictures, of conformal rank r, does not reject a share α of good parts: the
share is Beta(n + 1 - r, r)-distributed over the calibrations that might have been drawn. For n =
400 and α = 1 %, one honest model in twenty rejects more than 1.9 %. So a model breaks its promise
only if it rejects more than the 95th percentile of that, which `promised_share` tells.

Whether it does is tested as parts come, at any time and as often as one likes: the bets on higher
shares are e-processes, which an honest model ever takes to `LIMIT` with a probability of at most
`ERROR`. Half of the bets is placed at once, and the rest over time, so that a promise that is
broken late is seen as well.

A confidence sequence says what the share is: it holds at all times at once with its level, and is
where a mixture of bets on all shares, weighted as Beta(1/2, 1/2), has not lost (Robbins, 1970).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from takt.core.intervals import UNKNOWN, ShareInterval, beta_quantile, halved

ERROR: Final = 0.05
"""Probability with which a model that keeps its promise is ever accused, at most."""

LIMIT: Final = 1 / ERROR

PERCENTILE: Final = 0.95
"""Of the honest models' shares of rejected parts, up to which a model keeps its promise."""

_TIMES: Final = np.array([1.25, 1.6, 2.5])
_STAKES: Final = np.array([0.2, 0.6, 0.2])
"""Bets on so many times the promised share, and how much is placed on each."""

_AT_ONCE: Final = 0.5


def promised_share(pictures: int, rank: int) -> float:
    """The share of good parts that one honest model in twenty exceeds.

    >>> round(promised_share(400, 397), 4)
    0.0193

    Args:
        pictures: good ones that the threshold is from.
        rank: of the threshold among their scores, from 1.
    """
    return beta_quantile(PERCENTILE, pictures + 1 - rank, rank)


@dataclass(slots=True)
class PromiseTest:
    """Whether a share of good parts is higher than promised, tested part by part.

    >>> test = PromiseTest(0.02)
    >>> test.see(np.array([True, False] * 20))
    10
    >>> test.broken
    True

    Attributes:
        promised: share of good parts that may be rejected.
        parts: number seen.
        rejected: number of those that were.
        evidence: of each bet [bets].
        highest: evidence of all bets and of what is not yet placed, the most there was.
    """

    promised: float
    parts: int = 0
    rejected: int = 0
    evidence: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(_TIMES)))
    highest: float = 1.0

    @property
    def broken(self) -> bool:
        """Whether the promise has been broken at some time."""
        return self.highest >= LIMIT

    def see(self, rejected: NDArray[np.bool_]) -> int | None:
        """Adds good parts, in their order [m], of which some were rejected.

        Returns:
            The part of these with which the promise turned out to be broken, if it did.
        """
        worth = worth_of(self.promised)
        found = None
        for place, hit in enumerate(rejected.tolist()):
            self.evidence = (self.evidence + stakes_at(self.parts)) * worth[int(hit)]
            self.parts += 1
            self.rejected += hit
            now = float(self.evidence.sum()) + unplaced_after(self.parts)
            if self.highest < LIMIT <= now:
                found = place
            self.highest = max(self.highest, now)
        return found


def worth_of(promised: float) -> NDArray[np.float64]:
    """What a part is worth for each bet, that is not rejected and that is [2, bets]."""
    expected = np.minimum(_TIMES * promised, (1 + promised) / 2)
    return np.array([(1 - expected) / (1 - promised), expected / promised])


def stakes_at(part: int) -> NDArray[np.float64]:
    """What is placed on each bet before a part, counted from 0 [bets]; in all it is 1."""
    placed = _AT_ONCE if part == 0 else unplaced_after(part) - unplaced_after(part + 1)
    return placed * _STAKES


def unplaced_after(parts: int) -> float:
    """What is not yet placed on any bet after some parts."""
    return 1.0 if parts == 0 else (1 - _AT_ONCE) / (1 + math.log1p((parts - 1) / 1000))


@lru_cache(maxsize=4096)
def between(rejected: int, seen: int, level: float = 0.95) -> ShareInterval:
    """Where a share lies, at all times at once with the level, after some of so many parts.

    >>> found = between(120, 12_000)
    >>> round(100 * found.low, 2), round(100 * found.high, 2)
    (0.68, 1.41)

    Args:
        rejected: of the parts; in the order in which they came, none chosen by what it is.
        seen: number of parts.
        level: probability with which all these intervals, of every number of parts, hold.
    """
    if seen == 0:
        return UNKNOWN
    passed = seen - rejected
    mixture = _log_beta(rejected + 0.5, passed + 0.5) - _log_beta(0.5, 0.5)
    most = -math.log(1 - level)

    def possible(share: float) -> bool:
        log = (rejected and rejected * math.log(share)) + (passed and passed * math.log1p(-share))
        return mixture - log < most

    found = rejected / seen
    low = 0.0 if not rejected else halved(0.0, found, possible)[0]
    high = 1.0 if not passed else halved(found, 1.0, lambda share: not possible(share))[1]
    return ShareInterval(low, high)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
