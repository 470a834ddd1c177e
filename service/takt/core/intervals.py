"""Intervals of a share that was counted on some of many, and quantiles of what it may be."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

CONFIDENCE: Final = 0.95

_STEPS: Final = 60
_TINY: Final = 1e-300


@dataclass(frozen=True, slots=True)
class ShareInterval:
    """Bounds of a share, between 0 and 1."""

    low: float
    high: float


UNKNOWN: Final = ShareInterval(0.0, 1.0)
"""Of a share of which nothing was counted."""


@lru_cache(maxsize=4096)
def exact_interval(hits: int, trials: int, confidence: float = CONFIDENCE) -> ShareInterval:
    """ShareInterval of a share, by Clopper and Pearson (1934): it never promises too much.

    >>> found = exact_interval(0, 10)
    >>> found.low, round(found.high, 4)
    (0.0, 0.3085)

    Args:
        hits: of the trials.
        trials: may be 0, of which nothing follows.
        confidence: least probability with which such an interval holds the share.
    """
    if trials == 0:
        return UNKNOWN
    tail = (1 - confidence) / 2
    misses = trials - hits
    # P(X >= hits) rises with the share, and so does P(X > hits).
    low = 0.0 if not hits else _where(lambda p: _beta(hits, misses + 1, p) >= tail)
    high = 1.0 if not misses else _where(lambda p: _beta(hits + 1, misses, p) >= 1 - tail)
    return ShareInterval(low, high)


@lru_cache(maxsize=4096)
def beta_quantile(probability: float, a: int, b: int) -> float:
    """The value below which a beta distribution has some probability.

    Of n values drawn alike, the share of all values above the m-th highest is distributed so, with
    a = m and b = n + 1 - m; where values can be equal it is less.

    >>> round(beta_quantile(0.95, 4, 397), 4)
    0.0193

    Args:
        probability: between 0 and 1.
        a: at least 1.
        b: at least 1.
    """
    return _where(lambda share: _beta(a, b, share) >= probability)


def chance_of_so_many(hits: int, trials: int, share: float) -> float:
    """The exact chance of `hits` or more of some trials: the binomial distribution's upper tail.

    >>> round(chance_of_so_many(2, 3, 0.5), 3)
    0.5

    Args:
        hits: of the trials.
        trials: each a hit with the same chance.
        share: that chance, between 0 and 1.
    """
    if not 0 < hits <= trials:
        return float(hits <= 0)
    return _beta(hits, trials - hits + 1, share)


def _where(reached: Callable[[float], bool]) -> float:
    """The least share from which on something holds."""
    return halved(0.0, 1.0, reached)[1]


def halved(low: float, high: float, reached: Callable[[float], bool]) -> tuple[float, float]:
    """The two values next to where something begins to hold, which it does not at the first one."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return low, high


def _beta(a: int, b: int, x: float) -> float:
    """The regularised incomplete beta function, which is P(X >= a) of a + b - 1 trials.

    By its continued fraction (DLMF 8.17.22), evaluated as Lentz has it.
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(b, a, 1 - x)
    logs = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(logs + a * math.log(x) + b * math.log1p(-x)) / a
    value, c, d = 1.0, 1.0, 0.0
    for term in range(10 + 10 * math.isqrt(a + b)):
        half = term // 2
        if term == 0:
            numerator = 1.0
        elif term % 2:
            numerator = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            numerator = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        d = 1 / ((1 + numerator * d) or _TINY)
        c = (1 + numerator / c) or _TINY
        value *= c * d
        if abs(c * d - 1) < 1e-12 and term > 1:
            break
    return front * (value - 1)
