"""A station behind a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from takt.station.cycle.signals import Controls, StationStatus
from takt.station.plc.camera import ModbusCamera
from takt.station.plc.registers import RegisterMap
from tests.controllers import IDLE


@dataclass
class Heard:
    """What a station has heard, and what it shows."""

    controls: list[Controls] = field(default_factory=list)
    shown: StationStatus = IDLE

    def status(self) -> StationStatus:
        return self.shown


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def camera(heard: Heard) -> AsyncIterator[ModbusCamera]:
    made = ModbusCamera("127.0.0.1", 0, RegisterMap(), heard.controls.append, heard.status)
    await made.start()
    yield made
    await made.stop()
