"""The plant's program, scan by scan."""

from __future__ import annotations

from dataclasses import replace

from takt_station.cycle.machine import CycleTiming, StationCycle
from takt_station.cycle.signals import Controls, ResultCode, ShownResult, StationStatus
from takt_station.plant.program import PlcProgram, PlcTiming

TIMING = PlcTiming(heartbeat_s=0.25, ack_s=0.05)
IDLE = replace(StationCycle(CycleTiming(100)).status(), online=True, trigger_ready=True, recipe=1)


def result(part: int, code: ResultCode = ResultCode.OK) -> StationStatus:
    """What a station says that shows a part's result."""
    shown = ShownResult(1, part, 1, code, None, 0.2, 1)
    return replace(IDLE, results_valid=True, waiting=1, result=shown)


class PlantPlc:
    """A program whose scans are 10 ms apart, before a station whose heart beats."""

    def __init__(self) -> None:
        self.program = PlcProgram(TIMING, recipe=1)
        self.now_s = 0.0
        self.beats = 0

    def scan(
        self, status: StationStatus | None = IDLE, sensed: int | None = None, *, beats: bool = True
    ) -> Controls:
        self.now_s += 0.01
        self.beats += beats
        if status is not None:
            status = replace(status, heartbeat=self.beats)
        return self.program.scan(self.now_s, status, sensed)

    def passes(self, part: int) -> bool:
        return self.program.passes(self.now_s, part)
