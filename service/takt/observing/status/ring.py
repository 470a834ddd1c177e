"""Readings of the last minutes, in as many bytes as they have figures."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from takt.observing.status.reading import Series


class Past(NamedTuple):
    """The values of one moment, each at the place of its series.

    Attributes:
        at_s: the moment, on the monotonic clock.
        values: NaN where the series was not there; shorter than the places that came later.
    """

    at_s: float
    values: array[float]

    def value(self, place: int) -> float:
        """The value at a place; NaN if there was none."""
        return self.values[place] if place < len(self.values) else math.nan


class Ring:
    """Keeps a reading every so often, and forgets it after a while.

    >>> ring = Ring(every_s=5, kept_s=60)
    >>> ring.add(0.0, {("pictures", ()): 3.0})
    >>> ring.before(10.0).value(ring.places["pictures"][()])
    3.0

    Args:
        every_s: least time between two readings that are kept.
        kept_s: reaches back so far, and one reading further.
        wanted: which series are kept; all unless given.
    """

    def __init__(
        self, every_s: float, kept_s: float, wanted: Callable[[Series], bool] | None = None
    ) -> None:
        self._every_s = every_s
        self._kept_s = kept_s
        self._wanted = wanted
        self._past: deque[Past] = deque()
        self._number = 0
        self.places: dict[str, dict[tuple[tuple[str, str], ...], int]] = {}

    def __len__(self) -> int:
        """Readings that are kept."""
        return len(self._past)

    def add(self, at_s: float, values: Mapping[Series, float]) -> None:
        """Keep a reading, unless the last one is too young."""
        # A task that sleeps wakes a little early at times.
        if self._past and at_s - self._past[-1].at_s < 0.9 * self._every_s:
            return
        self._past.append(Past(at_s, self._placed(values)))
        while len(self._past) > 1 and self._past[1].at_s <= at_s - self._kept_s:
            self._past.popleft()

    def before(self, at_s: float) -> Past:
        """The newest reading of that moment or before; the oldest one if none is that old."""
        later = bisect_right(self._past, at_s, key=lambda past: past.at_s)
        return self._past[max(0, later - 1)]

    def since(self, at_s: float) -> list[Past]:
        """The readings from that moment on."""
        return [past for past in self._past if past.at_s >= at_s]

    def _placed(self, values: Mapping[Series, float]) -> array[float]:
        placed = array("d", [math.nan]) * self._number
        for series, value in values.items():
            if self._wanted is not None and not self._wanted(series):
                continue
            places = self.places.setdefault(series[0], {})
            place = places.get(series[1])
            if place is None:
                place = places[series[1]] = self._number
                self._number += 1
                placed.append(value)
            else:
                placed[place] = value
        return placed
