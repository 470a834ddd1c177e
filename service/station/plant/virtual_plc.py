"""The PLC of a plant in passed time, and the gate that it moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from service.station.plant.conveyor import Conveyor
from service.station.plant.faults import FaultKind, FaultPlan, PlcFaults
from service.station.plant.program import PlcProgram
from service.station.running import Station


class VirtualPlc:
    """Triggers each part as it passes, and lets it pass the gate or not.

    Args:
        conveyor: with the parts.
        scan_s: time between two scans.
        program: makes the program, also of a PLC that begins anew.
        station: gives the station that is there now.
        plan: of what goes wrong.
        faults: of those, what goes wrong between the PLC and the world.
    """

    def __init__(
        self,
        conveyor: Conveyor,
        scan_s: float,
        program: Callable[[], PlcProgram],
        station: Callable[[], Station | None],
        plan: FaultPlan,
        faults: PlcFaults,
    ) -> None:
        self._conveyor = conveyor
        self._scan_s = scan_s
        self._program = program
        self._station = station
        self._plan = plan
        self._faults = faults

    async def run(self) -> set[int]:
        """Work until the last part has passed the gate; the parts that it let pass."""
        conveyor = self._conveyor
        program = self._program()
        passed = set[int]()
        sensed = gated = 0
        killed = False
        while gated < conveyor.parts:
            await asyncio.sleep(self._scan_s)
            now_s = asyncio.get_running_loop().time()
            if self._plan.holds(FaultKind.PLC_KILLED, now_s):
                killed = True
            elif killed:
                program, killed = self._program(), False
            while gated < conveyor.parts and conveyor.gate_at_s(gated + 1) <= now_s:
                gated += 1
                if not killed and program.passes(now_s, gated):
                    passed.add(gated)
            edge = None
            if sensed < conveyor.parts and conveyor.triggered_s(sensed + 1) <= now_s:
                sensed += 1
                edge = sensed
            if not killed:
                self._exchange(program, now_s, self._faults.sensed(edge, sensed))
        return passed

    def _exchange(self, program: PlcProgram, now_s: float, edge: int | None) -> None:
        cut = self._plan.holds(FaultKind.NETWORK_CUT, now_s)
        station = None if cut else self._station()
        status = self._faults.read(None if station is None else station.status())
        said = program.scan(now_s, status, edge)
        lost = self._faults.loses()
        if station is not None and not lost:
            station.controls(said)
