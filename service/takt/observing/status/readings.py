"""Questions to the readings, as the rules of Prometheus ask them of one server."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from takt.observing.status.reading import Reading, Series
from takt.observing.status.ring import Ring

Labels = tuple[str, ...]
"""Values of labels, in the order in which a question names them."""

Found = dict[Labels, float]
"""Values by labels."""

Where = Mapping[str, str | Collection[str]]
"""For labels: the value, or all the values, that count."""

_MINUTE_S = 60
_HOUR_S = 3600

LONG = "takt_requests_total"
"""The one counter that is kept for a day; of pictures that were answered."""


class Over(NamedTuple):
    """A stretch of time that lies behind.

    Attributes:
        length_s: of the stretch.
        ago_s: time from its end until now.
    """

    length_s: float
    ago_s: float = 0.0


def over_minutes(minutes: float, ago: float = 0) -> Over:
    """The last minutes, or those before some others."""
    return Over(minutes * _MINUTE_S, ago * _MINUTE_S)


def over_hours(hours: float, minutes_ago: float = 0) -> Over:
    """The last hours, or those before some minutes."""
    return Over(hours * _HOUR_S, minutes_ago * _MINUTE_S)


class KeptReadings:
    """The readings of a server: for a quarter of an hour all of them, for a day its answers.

    Args:
        every_s: time between two readings.
    """

    def __init__(self, every_s: float) -> None:
        self.recent = Ring(every_s, over_minutes(15).length_s)
        self.long = Ring(_MINUTE_S, over_hours(24, minutes_ago=15).length_s + 900, _is_answer)

    def add(self, reading: Reading) -> None:
        """Keep a reading."""
        self.recent.add(reading.at_s, reading.values)
        self.long.add(reading.at_s, reading.values)

    def ring_for(self, over: Over) -> Ring:
        """The readings that reach back far enough."""
        return self.recent if over.length_s + over.ago_s <= 900 else self.long


class _Shown(NamedTuple):
    """A value of now, by the labels of its series as a key and as they are looked up."""

    key: tuple[tuple[str, str], ...]
    labels: Mapping[str, str]
    value: float

    def labels_of(self, by: Labels) -> Labels:
        """The values of these labels."""
        return tuple(self.labels.get(name, "") for name in by)


class Readings:
    """What can be asked at one moment.

    Args:
        now: the newest reading.
        history: those before.
        unix_s: Unix time of the newest reading.
    """

    def __init__(self, now: Reading, history: KeptReadings, unix_s: float) -> None:
        self.now = now
        self.unix_s = unix_s
        self._history = history
        self._of: dict[str, list[_Shown]] = {}
        for (name, labels), value in now.values.items():
            self._of.setdefault(name, []).append(_Shown(labels, dict(labels), value))

    def last(self, name: str, by: Labels = (), where: Where | None = None) -> Found:
        """The values now, added up by labels."""
        found: Found = {}
        for one in self._matching(name, where):
            _add(found, one.labels_of(by), one.value)
        return found

    def number(self, name: str) -> float | None:
        """The one value now; None if there is none."""
        return self.last(name).get(())

    def increase(self, name: str, over: Over, by: Labels = (), where: Where | None = None) -> Found:
        """How far a counter rose, added up by labels; one that is new counts from 0."""
        matching = self._matching(name, where)
        if not matching:
            return {}
        ring = self._history.ring_for(over)
        from_, to = (
            ring.before(self.now.at_s - over.ago_s - length_s) for length_s in (over.length_s, 0.0)
        )
        places = ring.places.get(name, {})
        found: Found = {}
        for one in matching:
            place, value = places.get(one.key), one.value
            if over.ago_s:
                value = _zero_for_nan(math.nan if place is None else to.value(place))
            earlier = 0.0 if place is None else _zero_for_nan(from_.value(place))
            _add(found, one.labels_of(by), max(0.0, value - earlier))
        return found

    def mean(self, name: str, over: Over, by: Labels = ()) -> Found:
        """The mean of a gauge, added up by labels; of the moments at which it was there."""
        return self._over(name, over, by, lambda values: sum(values) / len(values))

    def least(self, name: str, over: Over, by: Labels = ()) -> Found:
        """The lowest value of a gauge; none of one that was read only once."""
        return self._over(name, over, by, min, fewest=2)

    def _over(
        self,
        name: str,
        over: Over,
        by: Labels,
        reduce: Callable[[list[float]], float],
        fewest: int = 1,
    ) -> Found:
        ring = self._history.ring_for(over)
        since = ring.since(self.now.at_s - over.length_s)
        places = ring.places.get(name, {})
        found: Found = {}
        for shown in self._matching(name, None):
            place = places.get(shown.key)
            values = [] if place is None else [past.value(place) for past in since]
            values = [one for one in values if not math.isnan(one)] or [shown.value]
            if len(values) >= fewest:
                _add(found, shown.labels_of(by), reduce(values))
        return found

    def _matching(self, name: str, where: Where | None) -> list[_Shown]:
        found = self._of.get(name, [])
        for label, wanted in (where or {}).items():
            values = (wanted,) if isinstance(wanted, str) else wanted
            found = [one for one in found if one.labels.get(label, "") in values]
        return found


def _is_answer(series: Series) -> bool:
    return series[0] == LONG and ("outcome", "ok") in series[1]


def _add(found: Found, labels: Labels, value: float) -> None:
    found[labels] = found.get(labels, 0.0) + value


def _zero_for_nan(value: float) -> float:
    return 0.0 if math.isnan(value) else value
