"""A station behind a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from plugins.station.tests.controllers import IDLE
from takt_station.cycle.signals import Controls, StationStatus
from takt_station.plc.camera import ModbusCamera
from takt_station.plc.registers import RegisterMap


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
