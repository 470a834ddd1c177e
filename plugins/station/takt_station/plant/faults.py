"""Faults of a made-up plant, from a seed."""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np

from takt_station.cycle.signals import StationStatus


class FaultKind(StrEnum):
    """What can go wrong in a plant."""

    LOST_TRIGGER = "lost_trigger"
    """What the PLC writes does not arrive."""
    DOUBLE_TRIGGER = "double_trigger"
    """The sensor sees a part twice."""
    LATE_ACKNOWLEDGE = "late_acknowledge"
    """The PLC takes no results for a while."""
    CAMERA_UNPLUGGED = "camera_unplugged"
    """The camera does not answer."""
    CAMERA_SLOW = "camera_slow"
    """The camera takes longer than a part is before it."""
    SERVER_GONE = "server_gone"
    """The server does not answer."""
    SERVER_KILLED = "server_killed"
    """The server ends at once, and begins anew; the parts that it had are gone."""
    SERVER_SLOW = "server_slow"
    """The server takes longer than a part has time."""
    NETWORK_CUT = "network_cut"
    """The PLC and the station do not hear each other."""
    STATION_KILLED = "station_killed"
    """The station ends at once, and begins anew."""
    PLC_KILLED = "plc_killed"
    """The PLC ends at once, and begins anew; all parts on the way are rejected."""


PLC_FAULTS: Final = (
    FaultKind.LOST_TRIGGER,
    FaultKind.DOUBLE_TRIGGER,
    FaultKind.LATE_ACKNOWLEDGE,
)
"""Faults of what a PLC writes and reads."""

REAL_FAULTS: Final = (
    *PLC_FAULTS,
    FaultKind.CAMERA_UNPLUGGED,
    FaultKind.SERVER_GONE,
    FaultKind.SERVER_KILLED,
    FaultKind.NETWORK_CUT,
    FaultKind.STATION_KILLED,
    FaultKind.PLC_KILLED,
)
"""Faults that processes can have."""

_LOST, _TWICE = 0.3, 0.2
"""Shares of what is written that does not arrive, and of scans that see the last part again."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that begins and ends.

    Attributes:
        kind: what goes wrong.
        at_s: when it begins.
        lasts_s: how long it lasts.
    """

    kind: FaultKind
    at_s: float
    lasts_s: float

    @property
    def ends_s(self) -> float:
        """When it is over."""
        return self.at_s + self.lasts_s

    def holds(self, now_s: float) -> bool:
        """Whether it goes on at a time."""
        return self.at_s <= now_s < self.ends_s


class FaultPlan:
    """What goes wrong when, for whoever asks all the time; the time never goes back.

    >>> plan = FaultPlan([Fault(FaultKind.SERVER_GONE, at_s=2.0, lasts_s=1.0)])
    >>> plan.holds(FaultKind.SERVER_GONE, 1.5), plan.holds(FaultKind.SERVER_GONE, 2.5)
    (False, True)

    Args:
        faults: in any order.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._by_kind: dict[FaultKind, deque[Fault]] = {}
        changes_s = set[float]()
        for one in sorted(faults, key=lambda one: one.at_s):
            self._by_kind.setdefault(one.kind, deque()).append(one)
            changes_s |= {one.at_s, one.ends_s}
        self._changes_s = sorted(changes_s)

    def holds(self, kind: FaultKind, now_s: float) -> bool:
        """Whether a fault of a kind goes on now."""
        of_kind = self._by_kind.get(kind)
        if of_kind is None:
            return False
        while of_kind and of_kind[0].ends_s <= now_s:
            of_kind.popleft()
        for one in of_kind:
            if one.at_s > now_s:
                return False
            if one.ends_s > now_s:
                return True
        return False

    def next_change_s(self, now_s: float) -> float:
        """When a fault of any kind begins or ends next; infinity for never."""
        place = bisect.bisect_right(self._changes_s, now_s)
        return self._changes_s[place] if place < len(self._changes_s) else math.inf


class PlcFaults:
    """What goes wrong between a PLC and the world.

    Args:
        holds: whether a fault goes on now.
        rng: draws which scans it hits.
    """

    def __init__(self, holds: Callable[[FaultKind], bool], rng: np.random.Generator) -> None:
        self._holds = holds
        self._rng = rng

    @property
    def are_drawn(self) -> bool:
        """Whether each scan counts now, as it is drawn whether it is hit."""
        return self._holds(FaultKind.DOUBLE_TRIGGER) or self._holds(FaultKind.LOST_TRIGGER)

    def sensed(self, edge: int | None, last: int) -> int | None:
        """The part that the sensor tells of: an edge of its own, or the last one a second time."""
        again = edge is None and last > 0 and self._hits(FaultKind.DOUBLE_TRIGGER, _TWICE)
        return last if again else edge

    def read(self, status: StationStatus | None) -> StationStatus | None:
        """What the program reads; without a result while it takes none."""
        if status is None or not self._holds(FaultKind.LATE_ACKNOWLEDGE):
            return status
        return replace(status, results_valid=False)

    def loses(self) -> bool:
        """Whether what is written now does not arrive."""
        return self._hits(FaultKind.LOST_TRIGGER, _LOST)

    def _hits(self, kind: FaultKind, share: float) -> bool:
        return self._holds(kind) and self._rng.random() < share


def random_faults(
    seed: int, until_s: float, every_s: float, longest_s: float = 5.0
) -> tuple[Fault, ...]:
    """Faults at random times, so long apart on average; the same for the same seed.

    >>> random_faults(1, 100, 20) == random_faults(1, 100, 20)
    True
    """
    rng = np.random.default_rng(seed)
    kinds = list(FaultKind)
    faults = []
    at_s = float(rng.exponential(every_s))
    while at_s < until_s:
        kind = kinds[int(rng.integers(len(kinds)))]
        faults.append(Fault(kind, at_s, float(rng.uniform(0.05, longest_s))))
        at_s += float(rng.exponential(every_s))
    return tuple(faults)
