"""The PLC of a plant in passed time, and the gate that it moves."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from takt_station.cycle.signals import Controls
from takt_station.plant.conveyor import Conveyor
from takt_station.plant.faults import FaultKind, FaultPlan, PlcFaults
from takt_station.plant.program import PlcProgram
from takt_station.plant.virtual_time import VirtualTimeLoop
from takt_station.running import Station

_SLOW: Final = 1e-6
"""Share by which the PLC's clock is slow: parts come at all moments of a scan."""


@dataclass(slots=True)
class VirtualPlc:
    """Triggers each part as it passes, and lets it pass the gate or not.

    A scan that could only find what the one before it has found is left out: hours pass in minutes.

    Args:
        conveyor: with the parts.
        scan_s: time between two scans.
        program: makes the program, also of a PLC that begins anew.
        station: gives the station that is there now.
        plan: of what goes wrong.
        faults: of those, what goes wrong between the PLC and the world.
    """

    conveyor: Conveyor
    scan_s: float
    program: Callable[[], PlcProgram]
    station: Callable[[], Station | None]
    plan: FaultPlan
    faults: PlcFaults
    # What a station has heard last, and which one; whether it and the program know all.
    _hearer: Station | None = None
    _heard: Controls | None = None
    _is_settled: bool = False

    @property
    def _every_s(self) -> float:
        return self.scan_s * (1 + _SLOW)

    async def run(self) -> set[int]:
        """Work until the last part has passed the gate; the parts that it let pass."""
        conveyor = self.conveyor
        program = self.program()
        passed = set[int]()
        scan = sensed = gated = 0
        killed = False
        while gated < conveyor.parts:
            now_s = _now_s()
            due_s = min(conveyor.gate_at_s(gated + 1), self.plan.next_change_s(now_s))
            if sensed < conveyor.parts:
                due_s = min(due_s, conveyor.triggered_s(sensed + 1))
            scan = self._next_scan(scan, due_s)
            await asyncio.sleep(scan * self._every_s - now_s)
            now_s = _now_s()
            if self.plan.holds(FaultKind.PLC_KILLED, now_s):
                killed = True
            elif killed:
                program, killed = self.program(), False
            while gated < conveyor.parts and conveyor.gate_at_s(gated + 1) <= now_s:
                gated += 1
                if not killed and program.passes(now_s, gated):
                    passed.add(gated)
            edge = None
            if sensed < conveyor.parts and conveyor.triggered_s(sensed + 1) <= now_s:
                sensed += 1
                edge = sensed
            if not killed:
                self._exchange(program, now_s, self.faults.sensed(edge, sensed))
        return passed

    def _next_scan(self, scan: int, due_s: float) -> int:
        """The number of the next scan that may find something new.

        Args:
            scan: the one that was just now.
            due_s: when something happens at the conveyor, or a fault begins or ends.
        """
        if not self._is_settled:
            return scan + 1
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        due_s = min(due_s, loop.quiet_until_s())
        return max(scan + 1, math.ceil(due_s / self._every_s))

    def _exchange(self, program: PlcProgram, now_s: float, edge: int | None) -> None:
        cut = self.plan.holds(FaultKind.NETWORK_CUT, now_s)
        station = None if cut else self.station()
        status = self.faults.read(None if station is None else station.status())
        said = program.scan(now_s, status, edge)
        lost = self.faults.loses()
        knows = station is None or (station is self._hearer and said is self._heard)
        self._is_settled = knows and not program.waits and not self.faults.are_drawn
        if station is not None and not lost:
            station.controls(said)
            self._hearer, self._heard = station, said


def _now_s() -> float:
    return asyncio.get_running_loop().time()
