"""The PLC of a made-up plant: a process that asks a station by Modbus, and moves a gate.

python -m takt_station.plant.plc PORT PLANT.json HEARTBEAT_MS ACK_MS GATE.jsonl
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np
import orjson
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from takt_station.cycle.signals import Controls, StationStatus
from takt_station.plant.faults import FaultKind, PlcFaults
from takt_station.plant.layout import PlantLayout
from takt_station.plant.program import PlcProgram, PlcTiming
from takt_station.plc.registers import RegisterMap, status_of, words_of_controls
from takt_station.plc.signals import READ, WRITTEN, Block

SCAN_S: Final = 0.005
"""Time between two scans, at least."""

_ANSWER_S: Final = 0.05
"""A station that takes longer to answer does not answer."""

_LEAD_S: Final = 0.5
"""Time from a station that is ready to the first part."""

_AGAIN_S: Final = 0.1
"""Time between two attempts to connect."""

_REGISTERS: Final = RegisterMap()


class StationLink:
    """The registers of a station, as a master has them; use it with `async with`.

    Args:
        host: of the station.
        port: of the station.
    """

    def __init__(self, host: str, port: int) -> None:
        self._client = AsyncModbusTcpClient(
            host, port=port, timeout=_ANSWER_S, retries=0, reconnect_delay=0
        )
        self._tried_s = float("-inf")

    async def __aenter__(self) -> StationLink:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.close()

    async def read(self) -> StationStatus | None:
        """What the station says, of one moment; None where it does not answer."""
        if not await self._connected():
            return None
        first = _REGISTERS.base(READ[0])
        count = _REGISTERS.end(READ[1]) - first
        try:
            answer = await self._client.read_input_registers(first, count=count)
        except (ModbusException, OSError):
            self._client.close()
            return None
        if answer.isError():
            return None
        words = answer.registers
        by_block = {block: words[_REGISTERS.base(block) - first :] for block in READ}
        return status_of(by_block, _REGISTERS)

    async def write(self, controls: Controls) -> bool:
        """Say something to the station; whether it was heard."""
        if not self._client.connected:
            return False
        said = words_of_controls(controls, _REGISTERS)
        first = _REGISTERS.base(WRITTEN[0])
        words = [*said[Block.CONTROL], *said[Block.INPUT]]
        try:
            return not (await self._client.write_registers(first, words)).isError()
        except (ModbusException, OSError):
            self._client.close()
            return False

    async def _connected(self) -> bool:
        if self._client.connected:
            return True
        if time.monotonic() - self._tried_s < _AGAIN_S:
            return False
        self._tried_s = time.monotonic()
        with contextlib.suppress(ModbusException, OSError, TimeoutError):
            return bool(await self._client.connect())
        return False


class PlantPlc:
    """Triggers each part as it passes, and moves the gate.

    Args:
        link: to the station.
        plant: file of the plant's layout; the conveyor is started once the station is well.
        timing: of its program.
        out: file that gets a line for each part at the gate.
    """

    def __init__(self, link: StationLink, plant: Path, timing: PlcTiming, out: Path) -> None:
        self._link = link
        self._plant = plant
        self._layout = PlantLayout.read(plant)
        self._program = PlcProgram(timing, self._layout.recipe, self._layout.texts)
        self._out = out
        self._faults = PlcFaults(self._holds, np.random.default_rng(self._layout.conveyor.seed))

    async def run(self) -> None:
        """Work until the last part has passed the gate."""
        conveyor = self._layout.conveyor
        # One that begins anew has not sensed what passed before.
        sensed = gated = conveyor.sensed(time.monotonic())
        with self._out.open("ab", buffering=0) as out:
            while gated < conveyor.parts:
                began_s = time.monotonic()
                status = self._faults.read(await self._link.read())
                now_s = time.monotonic()
                edge = None
                if conveyor.sensed(now_s) > sensed:
                    edge = sensed = conveyor.sensed(now_s)
                # A scan may come late; the input's time stamp does not.
                sensed_s = None if edge is None else conveyor.triggered_s(edge)
                sensed_now = self._faults.sensed(edge, sensed)
                said = self._program.scan(now_s, status, sensed_now, sensed_s)
                if not self._faults.loses():
                    await self._link.write(said)
                while gated < conveyor.parts and conveyor.gate_at_s(gated + 1) <= time.monotonic():
                    gated += 1
                    move = self._program.move(time.monotonic(), gated)
                    out.write(orjson.dumps(move) + b"\n")
                if conveyor.start_s == math.inf and self._is_ready(status):
                    self._layout = self._layout.starting(time.monotonic() + _LEAD_S)
                    self._layout.write(self._plant)
                    conveyor = self._layout.conveyor
                await asyncio.sleep(max(0.0, SCAN_S - (time.monotonic() - began_s)))

    def _holds(self, kind: FaultKind) -> bool:
        now_s = time.monotonic() - self._layout.conveyor.start_s
        return any(one.kind is kind and one.holds(now_s) for one in self._layout.plc_faults)

    def _is_ready(self, status: StationStatus | None) -> bool:
        return (
            status is not None
            and status.trigger_ready
            and status.recipe == self._layout.recipe
            and self._program.well(time.monotonic())
        )


async def main(port: str, path: str, heartbeat_ms: str, ack_ms: str, out: str) -> None:
    """Be the PLC of a plant until its last part has passed the gate."""
    gc.freeze()
    async with StationLink("127.0.0.1", int(port)) as link:
        timing = PlcTiming(float(heartbeat_ms) / 1000, float(ack_ms) / 1000)
        await PlantPlc(link, Path(path), timing, Path(out)).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
