"""The controller alone, with a made-up station: `python -m pytest test_takt_lines.py`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from takt_lines import IDLE, LinesController, LinesSection
from takt_station.cycle.signals import (
    Controls,
    NoDecisionReason,
    OfflineReason,
    ResultCode,
    ShownResult,
    StationStatus,
)

pytestmark = pytest.mark.anyio

WELL = StationStatus(
    online=True,
    offline_reason=OfflineReason.NONE,
    trigger_ready=True,
    trigger_ack=False,
    acquiring=False,
    acquisition_error=False,
    inspecting=False,
    completed=False,
    results_valid=False,
    overrun=False,
    fault=False,
    command_busy=False,
    command_done=False,
    command_failed=False,
    recipe=1,
    acquisition=0,
    heartbeat=1,
    waiting=0,
    result=None,
)


class Station:
    """Has heard what it was told, and shows results until each is acknowledged."""

    def __init__(self) -> None:
        self.said: list[Controls] = []
        self.shown = WELL
        self.results: list[ShownResult] = []

    def controls(self, controls: Controls) -> None:
        self.said.append(controls)
        if controls.results_ack:
            del self.results[0]

    def status(self) -> StationStatus:
        first = self.results[0] if self.results else None
        return replace(self.shown, results_valid=first is not None, result=first)


class Plc:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def says(self, line: bytes) -> None:
        self.writer.write(line + b"\n")

    async def reads(self) -> str:
        async with asyncio.timeout(10):
            return (await self.reader.readline()).decode().rstrip("\n")

    async def reads_until(self, line: str) -> None:
        while (said := await self.reads()) != line:
            assert said, "the connection has ended"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def line() -> AsyncIterator[tuple[Station, LinesController, str]]:
    station = Station()
    controller = LinesSection(protocol="lines", port=0).controller(station)
    place = await controller.start()
    try:
        yield station, controller, place.removeprefix("port ")
    finally:
        await controller.stop()


@asynccontextmanager
async def plc(port: str) -> AsyncIterator[Plc]:
    made = Plc(*await asyncio.open_connection("127.0.0.1", int(port)))
    try:
        await made.reads_until("BEAT 1")
        yield made
    finally:
        made.writer.close()


def result(part: int, score: float, reason: NoDecisionReason | None = None) -> ShownResult:
    code = ResultCode.OK if reason is None else ResultCode.NO_DECISION
    return ShownResult(part, part, part, code, reason, score, 1)


async def test_a_trigger_is_an_edge_with_part_lot_and_code() -> None:
    async with line() as (station, _, port), plc(port) as made:
        for said in (b"TRIGGER 7 L1 AB-1", b"TRIGGER 8", "TRIGGER 9 L1 ä".encode(), b"NO"):
            made.says(said)
        await made.reads_until("WHAT NO")
    edges = [one for one in station.said if one.trigger]
    assert [(one.part, one.lot, one.code) for one in edges] == [
        (7, "L1", "AB-1"),
        (8, "", ""),
        (9, "L1", None),
    ]
    assert [one.trigger for one in station.said] == [False, *[True, False] * 3]


async def test_results_are_told_one_after_another_and_acknowledged() -> None:
    async with line() as (station, controller, port), plc(port) as made:
        station.results = [result(7, 0.5), result(8, math.nan, NoDecisionReason.DEADLINE)]
        controller.changed()
        assert await made.reads() == "RESULT 7 OK 0.5000"
        assert await made.reads() == "RESULT 8 NO_DECISION DEADLINE"
        assert station.results == []


async def test_results_that_came_while_the_plc_was_away_wait_for_it() -> None:
    async with line() as (station, controller, port):
        station.results = [result(7, 0.5)]
        controller.changed()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        assert await Plc(reader, writer).reads() == "RESULT 7 OK 0.5000"
        writer.close()


async def test_a_recipe_is_asked_for_until_it_is_set() -> None:
    async with line() as (station, controller, port), plc(port) as made:
        made.says(b"RECIPE 3")
        made.says(b"NO")
        await made.reads_until("WHAT NO")
        assert (station.said[-1].execute_command, station.said[-1].command) == (True, 3)
        station.shown = replace(WELL, command_done=True)
        controller.changed()
        assert await made.reads() == "RECIPE 3 SET"
        assert station.said[-1] == IDLE


async def test_what_is_not_well_is_told_once() -> None:
    async with line() as (station, controller, port), plc(port) as made:
        station.shown = replace(WELL, online=False, offline_reason=OfflineReason.CAMERA, fault=True)
        controller.changed()
        controller.changed()
        said = [await made.reads() for _ in range(3)]
        assert said == ["OFFLINE CAMERA FAULT", "BEAT 1", "BEAT 1"]


async def test_a_plc_that_connects_anew_is_in_the_place_of_its_old_connection() -> None:
    async with line() as (station, controller, port), plc(port) as before, plc(port) as made:
        assert await before.reads() == ""
        station.results = [result(7, 0.5)]
        controller.changed()
        await made.reads_until("RESULT 7 OK 0.5000")
