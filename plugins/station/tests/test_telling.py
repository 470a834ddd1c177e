from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from plugins.station.tests.test_running import FakeCamera, FakeInspector, Heard, Plc
from takt_client import RecipeWish
from takt_client.errors import InvalidParameterError, UnreachableError
from takt_station.cycle.machine import CycleTiming
from takt_station.cycle.signals import Controls
from takt_station.news import StationNews
from takt_station.plant.virtual_time import run_virtual
from takt_station.running import Station
from takt_station.telling import HeardPlc, StationRun, StationTeller

Reports = list[tuple[float, Mapping[str, Any]]]


@dataclass
class Server:
    """Takes reports, after a time; refuses them where it is told to."""

    takes_s: float = 0.01
    error: Exception | None = None
    wish: RecipeWish | None = None
    heard: Reports = field(default_factory=list)

    async def report_station(self, name: str, report: Mapping[str, Any]) -> RecipeWish | None:
        assert name == "press-1"
        self.heard.append((asyncio.get_running_loop().time(), report))
        await asyncio.sleep(self.takes_s)
        if self.error is not None:
            raise self.error
        return self.wish


@dataclass
class Line:
    """A station at work that tells a server."""

    camera: FakeCamera
    station: Station
    plc: Plc
    heard: Heard


def tells(work: Callable[[Line], Awaitable[None]], server: Server) -> tuple[Reports, Heard]:
    """What a server hears of a station, in time that passes at once."""

    async def main() -> Heard:
        loop = asyncio.get_running_loop()
        camera, heard = FakeCamera(), Heard()
        news = StationNews(lambda sequence: f"press-1-run-{sequence}", lambda: 0.0)
        timing = CycleTiming(result_ms=100)
        cameras = {"top": camera}
        station = Station(timing, cameras, FakeInspector(), [heard, news])
        by = HeardPlc(station, loop.time, lambda: 0.0)
        run = StationRun("press-1", "run", 0.0, 100.0)
        teller = StationTeller(run, station, by, cameras, news, server)
        tasks = [asyncio.create_task(one.run()) for one in (station, teller)]
        plc = Plc(by)  # type: ignore[arg-type]
        plc.say(execute_command=True, command=1)
        await asyncio.sleep(1)
        plc.say(execute_command=False)
        await work(Line(camera, station, plc, heard))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return heard

    heard = run_virtual(main())
    return server.heard, heard


async def three_parts(line: Line) -> None:
    for part in (11, 12, 13):
        await line.plc.trigger(part)
    await asyncio.sleep(1.5)


def test_a_station_tells_how_it_fares_and_its_last_results() -> None:
    reports, _ = tells(three_parts, Server())
    last = reports[-1][1]
    assert (last["online"], last["offline_reason"], last["server_ready"]) == (True, None, True)
    assert last["recipe"] == {"number": 1, "name": "recipe 1", "changing": False}
    assert last["cameras"] == [{"name": "top", "well": True}]
    assert last["plc"] == {"connected": True, "heard_at": "1970-01-01T00:00:00.000+00:00"}
    assert [one["part"] for one in last["results"]] == [11, 12, 13]
    assert (last["counts"]["ok"], last["times"]["parts"]) == (3, 3)


def test_what_changes_is_told_at_once_and_else_a_report_comes_each_second() -> None:
    times: list[float] = []

    async def work(line: Line) -> None:
        await asyncio.sleep(5)
        line.camera.well = False
        times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(3)

    reports, _ = tells(work, Server())
    before = [at for at, one in reports if one["offline_reason"] is None and at < times[0]]
    assert 3 <= len([at for at in before if at > 2]) <= 5
    (unwell, *_) = [at for at, one in reports if one["offline_reason"] == "camera"]
    assert unwell - times[0] < 0.5


def test_a_plc_that_says_nothing_any_more_is_told_as_gone() -> None:
    async def work(line: Line) -> None:
        await asyncio.sleep(4)

    reports, _ = tells(work, Server())
    assert reports[1][1]["plc"]["connected"]
    assert not reports[-1][1]["plc"]["connected"]


def test_a_server_that_is_slow_or_fails_costs_no_part_its_time() -> None:
    usual = tells(three_parts, Server())[1]
    for server in (
        Server(takes_s=2.0, error=UnreachableError("no answer")),
        Server(error=InvalidParameterError("what is that?")),
    ):
        reports, heard = tells(three_parts, server)
        assert heard.codes == ["OK", "OK", "OK"]
        assert [one.at_s - one.part.triggered_s for one in heard.given_] == [
            one.at_s - one.part.triggered_s for one in usual.given_
        ]
        assert len(reports) <= 3


def test_a_recipe_that_is_wanted_is_put_in_force_once_and_told_as_taken() -> None:
    server = Server()

    async def work(line: Line) -> None:
        server.wish = RecipeWish(2, 50)
        await asyncio.sleep(2)
        assert line.station.status().recipe == 2
        line.station.change_recipe(3)
        await asyncio.sleep(2)
        # It is the same wish still, and was taken before.
        assert line.station.status().recipe == 3
        server.wish = RecipeWish(99, 51)
        await asyncio.sleep(2)

    reports, _ = tells(work, server)
    last = reports[-1][1]
    assert (last["taken"], last["recipe"]) == (
        51,
        {"number": 0, "name": None, "changing": False},
    )


def test_controls_reach_the_station_as_they_are() -> None:
    async def work(line: Line) -> None:
        line.plc.said = Controls(trigger_enable=True, set_offline=True)
        line.plc.say()
        await asyncio.sleep(1)

    reports, _ = tells(work, Server())
    assert reports[-1][1]["offline_reason"] == "set_offline"


def test_what_is_unforeseen_costs_a_report_and_no_more() -> None:
    server = Server(error=ZeroDivisionError())

    async def work(line: Line) -> None:
        server.error = None
        await line.plc.trigger(11)
        await asyncio.sleep(40)

    reports, heard = tells(work, server)
    assert heard.codes == ["OK"]
    assert [one["part"] for one in reports[-1][1]["results"]] == [11]
