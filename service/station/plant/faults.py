"""Faults of a made-up plant, from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np


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
    SERVER_SLOW = "server_slow"
    """The server takes longer than a part has time."""
    NETWORK_CUT = "network_cut"
    """The PLC and the station do not hear each other."""
    STATION_KILLED = "station_killed"
    """The station ends at once, and begins anew."""
    PLC_KILLED = "plc_killed"
    """The PLC ends at once, and begins anew; all parts on the way are rejected."""


REAL_FAULTS: Final = (
    FaultKind.CAMERA_UNPLUGGED,
    FaultKind.SERVER_GONE,
    FaultKind.NETWORK_CUT,
    FaultKind.STATION_KILLED,
    FaultKind.PLC_KILLED,
)
"""Faults that processes can have."""


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

    def holds(self, now_s: float) -> bool:
        """Whether it goes on at a time."""
        return self.at_s <= now_s < self.at_s + self.lasts_s


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
