"""Times at which requests are sent, however the server answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from takt_client.errors import InvalidParameterError

_BURST = re.compile(r"burst:(\d+)@(\d+(?:\.\d+)?)ms")
_DRAWN = 1024


@dataclass(frozen=True, slots=True)
class Poisson:
    """Arrivals of independent callers; the same seed gives the same arrivals."""

    rate_per_s: float
    seed: int

    def offsets_s(self) -> Iterator[float]:
        """Seconds from the start to each arrival."""
        rng = np.random.default_rng(self.seed)
        last_s = 0.0
        while True:
            arrivals_s = last_s + np.cumsum(rng.exponential(1 / self.rate_per_s, _DRAWN))
            yield from arrivals_s.tolist()
            last_s = float(arrivals_s[-1])


@dataclass(frozen=True, slots=True)
class Fixed:
    """Arrivals at the beat of a line, one in each period.

    >>> offsets = Fixed(4.0).offsets_s()
    >>> [next(offsets) for _ in range(3)]
    [0.0, 0.25, 0.5]
    """

    rate_per_s: float

    def offsets_s(self) -> Iterator[float]:
        """Seconds from the start to each arrival."""
        number = 0
        while True:
            # Multiplied, as sums would drift.
            yield number / self.rate_per_s
            number += 1


@dataclass(frozen=True, slots=True)
class Bursts:
    """Arrivals of several cameras on one trigger: `size` at once, every `period_s`."""

    size: int
    period_s: float

    @property
    def rate_per_s(self) -> float:
        """Requests per second, on average."""
        return self.size / self.period_s

    def offsets_s(self) -> Iterator[float]:
        """Seconds from the start to each arrival."""
        burst = 0
        while True:
            for _ in range(self.size):
                yield burst * self.period_s
            burst += 1


Arrivals = Poisson | Fixed | Bursts
"""A process of arrivals: a rate on average, and endless moments of which none is before another."""


def parse_arrivals(text: str, rate_per_s: float | None, seed: int) -> Arrivals:
    """Arrivals from `poisson`, `fixed` or `burst:16@200ms`.

    Raises:
        InvalidParameterError: the text is none of these, lacks a rate, or has one too many.
    """
    burst = _BURST.fullmatch(text)
    if burst is not None:
        size, period_ms = int(burst[1]), float(burst[2])
        if rate_per_s is not None:
            raise InvalidParameterError(f"{text} has a rate of its own; leave out --rate")
        if size < 1 or period_ms <= 0:
            raise InvalidParameterError(f"{text} sends nothing; write it as burst:16@200ms")
        return Bursts(size, period_ms / 1000)
    if text not in ("poisson", "fixed"):
        raise InvalidParameterError(
            f"arrivals {text!r}; there are poisson, fixed and bursts such as burst:16@200ms"
        )
    if rate_per_s is None:
        raise InvalidParameterError(f"{text} arrivals need a --rate in requests per second")
    return Fixed(rate_per_s) if text == "fixed" else Poisson(rate_per_s, seed)
