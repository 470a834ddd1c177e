"""When requests are to be sent, whatever the server makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from takt_client.errors import InvalidParameterError

_BURST = re.compile(r"burst:(\d+)@(\d+(?:\.\d+)?)ms")
_DRAWN = 1024


class Arrivals(Protocol):
    """A process of arrivals."""

    @property
    def rate_per_s(self) -> float:
        """Requests per second, on average."""

    def offsets_s(self) -> Iterator[float]:
        """Seconds from the start to each arrival; without end, and never falling."""


@dataclass(frozen=True, slots=True)
class Poisson:
    """Callers that know nothing of each other; the same seed gives the same arrivals."""

    rate_per_s: float
    seed: int

    def offsets_s(self) -> Iterator[float]:
        """See `Arrivals`."""
        rng = np.random.default_rng(self.seed)
        last_s = 0.0
        while True:
            arrivals_s = last_s + np.cumsum(rng.exponential(1 / self.rate_per_s, _DRAWN))
            yield from arrivals_s.tolist()
            last_s = float(arrivals_s[-1])


@dataclass(frozen=True, slots=True)
class Fixed:
    """The beat of a line: one arrival a period."""

    rate_per_s: float

    def offsets_s(self) -> Iterator[float]:
        """See `Arrivals`."""
        number = 0
        while True:
            # Multiplied, as sums would drift.
            yield number / self.rate_per_s
            number += 1


@dataclass(frozen=True, slots=True)
class Bursts:
    """Several cameras that one trigger fires: `size` arrivals at once, every `period_s`."""

    size: int
    period_s: float

    @property
    def rate_per_s(self) -> float:
        """See `Arrivals`."""
        return self.size / self.period_s

    def offsets_s(self) -> Iterator[float]:
        """See `Arrivals`."""
        burst = 0
        while True:
            for _ in range(self.size):
                yield burst * self.period_s
            burst += 1


def parse_arrivals(text: str, rate_per_s: float | None, seed: int) -> Arrivals:
    """From `poisson`, `fixed` or `burst:16@200ms`.

    Raises:
        InvalidParameterError: it is none of these, or lacks a rate, or has one too many.
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
