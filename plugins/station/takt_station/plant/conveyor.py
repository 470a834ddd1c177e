"""The conveyor of a made-up plant: which part is where at what time, the same in every process."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

import numpy as np

T = TypeVar("T")

_IN_VIEW: Final = 0.9
"""Share of the time between two parts for which the camera sees one; then comes the gap."""

_LOT: Final = 25
"""Parts of a lot."""


@dataclass(frozen=True, slots=True)
class Conveyor:
    """Parts at an even pace, numbered from 1 on.

    Every process of a plant has the same; their clocks are the host's monotonic one.

    >>> conveyor = Conveyor(start_s=100.0, every_s=0.2, gate_s=0.15, parts=10, seed=1)
    >>> conveyor.triggered_s(2), conveyor.at_camera(100.21), conveyor.at_camera(100.39)
    (100.2, 2, None)

    Attributes:
        start_s: when the first part passes the trigger; infinity before that is known.
        every_s: time from one part to the next.
        gate_s: time from the trigger to the gate.
        parts: how many there are.
        seed: by which parts are good or have a defect.
        defects: share of parts with one.
    """

    start_s: float
    every_s: float
    gate_s: float
    parts: int
    seed: int
    defects: float = 0.25

    def triggered_s(self, part: int) -> float:
        """When a part passes the trigger, before the camera."""
        return round(self.start_s + (part - 1) * self.every_s, 9)

    def gate_at_s(self, part: int) -> float:
        """When a part is at the gate."""
        return self.triggered_s(part) + self.gate_s

    def sensed(self, now_s: float) -> int:
        """The last part that has passed the trigger; 0 before the first."""
        if now_s < self.start_s:
            return 0
        return min(math.floor((now_s - self.start_s) / self.every_s + 1e-9) + 1, self.parts)

    def at_camera(self, now_s: float) -> int | None:
        """The part that the camera sees; None for the gap between two."""
        part = self.sensed(now_s)
        if part == 0 or now_s - self.triggered_s(part) > _IN_VIEW * self.every_s:
            return None
        return part

    def has_defect(self, part: int) -> bool:
        """Whether a part has a defect."""
        return _chances(self.seed, part)[0] < self.defects

    def picture(self, part: int, pictures: PartPictures) -> bytes:
        """What a camera sees of a part."""
        return self.chosen(part, pictures.good, pictures.defects)

    def chosen(self, part: int, good: Sequence[T], defects: Sequence[T]) -> T:
        """What a part has, of what good ones and those with a defect may have."""
        of = defects if self.has_defect(part) else good
        return of[int(_chances(self.seed, part)[1] * len(of))]

    def kind(self, part: int) -> int:
        """Which of two kinds a part is of: 0 or 1."""
        return int(_chances(self.seed, part)[2] < 0.5)

    def lot(self, part: int) -> str:
        """The lot that a part belongs to."""
        return f"L{(part - 1) // _LOT + 1}"


# A part is asked about at each of its stations, and a generator takes long to begin.
@lru_cache(maxsize=4096)
def _chances(seed: int, part: int) -> tuple[float, float, float]:
    """What is drawn of a part: whether it has a defect, its picture, its kind."""
    one, other, third = np.random.default_rng([seed, part]).random(3)
    return float(one), float(other), float(third)


@dataclass(frozen=True, slots=True)
class PartPictures:
    """Pictures of parts, whole files each.

    Attributes:
        good: of good parts; at least one.
        defects: of parts with a defect; at least one.
        gap: what a camera sees between two parts.
    """

    good: Sequence[bytes]
    defects: Sequence[bytes]
    gap: bytes
