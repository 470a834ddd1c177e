"""How fast the parts of a plant pass, and what a host can keep up with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

USUAL_RATE: Final = 5.0
USUAL_GATE_MS: Final = 400.0
_RESULT_SHARE: Final = 0.75
_MARGIN: Final = 3.0
"""By how much an inspection may take longer than what was measured: camera, station and PLC want
their share of the host as well, once parts pass."""


@dataclass(frozen=True, slots=True)
class PlantPace:
    """How fast parts pass.

    Attributes:
        rate: parts a second.
        gate_ms: time of a part from the trigger to the gate.
    """

    rate: float = USUAL_RATE
    gate_ms: float = USUAL_GATE_MS

    @property
    def result_ms(self) -> float:
        """Time from the trigger to the result, at most: the PLC needs the rest."""
        return _RESULT_SHARE * self.gate_ms

    def slowed(self, times: float) -> PlantPace:
        """The same, so many times as slow."""
        return PlantPace(self.rate / times, self.gate_ms * times)

    def fits(self, times_ms: Sequence[float]) -> bool:
        """Whether inspections that take so long keep up with it."""
        keeps_up = _MARGIN * median(times_ms) <= 1000 / self.rate
        return keeps_up and _MARGIN * max(times_ms) <= self.result_ms

    def options(self) -> str:
        """How a user asks for it."""
        return f"--rate {self.rate:g} --gate-ms {self.gate_ms:g}"


@dataclass(frozen=True, slots=True)
class ChosenPace:
    """The pace that a plant is played at, and what is said of it.

    Attributes:
        pace: the one.
        said: what was measured, and what follows.
    """

    pace: PlantPace
    said: str


def pace_for(times_ms: Sequence[float], rate: float | None, gate_ms: float | None) -> ChosenPace:
    """The usual pace, or a slower one that a host keeps up with; what was asked for stays.

    >>> pace_for([20.0, 35.0, 22.0], None, None).pace
    PlantPace(rate=5.0, gate_ms=400.0)
    >>> pace_for([110.0, 190.0, 120.0], None, None).pace
    PlantPace(rate=2.5, gate_ms=800.0)

    Args:
        times_ms: how long inspections took.
        rate: parts a second that were asked for; None for those that can be.
        gate_ms: time to the gate that was asked for; None for what can be.
    """
    asked = PlantPace(rate or USUAL_RATE, gate_ms or USUAL_GATE_MS)
    can = asked
    while not can.fits(times_ms):
        can = can.slowed(2)
    measured = (
        f"An inspection takes {median(times_ms):.0f} ms here, {max(times_ms):.0f} at most of "
        f"{len(times_ms)} tried."
    )
    wanted = f"{asked.rate:g} parts a second with {asked.result_ms:g} ms from trigger to result"
    if can == asked:
        return ChosenPace(asked, f"{measured}\nThat is enough for {wanted}.")
    too_slow = f"{measured}\nThat is too slow for {wanted}"
    pace = PlantPace(rate or can.rate, gate_ms or can.gate_ms)
    if pace.fits(times_ms):
        return ChosenPace(pace, f"{too_slow}:\nplayed with {pace.options()}.")
    remedy = f"Give the host less to do, or ask for\n{can.options()}"
    return ChosenPace(pace, f"{too_slow}:\nmany will have no decision. {remedy}")
