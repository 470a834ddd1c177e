"""How likely chance alone makes so many hits among so many trials."""

from __future__ import annotations

import math
from typing import Final

_NEGLIGIBLE: Final = 1e-16
"""Share of the sum below which further terms, each less than the one before, change nothing."""


def chance_of_so_many(hits: int, trials: int, share: float) -> float:
    """The exact chance of `hits` or more, the upper tail of the binomial distribution.

    >>> round(chance_of_so_many(2, 3, 0.5), 3)
    0.5

    Args:
        hits: of the trials.
        trials: each a hit with the same chance.
        share: that chance, between 0 and 1.
    """
    if hits <= 0:
        return 1.0
    if hits > trials or share <= 0:
        return 0.0
    if share >= 1:
        return 1.0
    if hits <= trials * share:
        # The other tail is the one whose terms fall.
        return 1 - chance_of_so_many(trials - hits + 1, trials, 1 - share)
    logs = math.lgamma(trials + 1) - math.lgamma(hits + 1) - math.lgamma(trials - hits + 1)
    term = math.exp(logs + hits * math.log(share) + (trials - hits) * math.log1p(-share))
    odds = share / (1 - share)
    found = 0.0
    for one in range(hits, trials + 1):
        found += term
        if term <= found * _NEGLIGIBLE:
            break
        term *= (trials - one) / (one + 1) * odds
    return min(1.0, found)
