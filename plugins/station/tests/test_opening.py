"""A station is opened as its file says, whatever the environment does."""

from __future__ import annotations

import asyncio

import pytest

from takt.core.errors import ConfigurationError
from takt_station.file import CycleSection, StationFile, parse_station
from takt_station.opening import open_station, timing_of
from takt_station.report import StationReport

FILE = """
[station]
name = "line3"
server = "http://127.0.0.1:9"
[cycle]
result_ms = 120
picture_ms = 40
[plc]
port = {port}
[cameras.top]
snapshot = "http://127.0.0.1:{camera}/now.jpg"
"""


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnow")
    writer.close()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
async def test_a_camera_is_asked_itself_and_no_proxy_that_may_know_an_older_picture(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    camera = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = camera.sockets[0].getsockname()[1]
    # Nobody listens there.
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    file = parse_station(FILE.format(port=0, camera=port))
    assert isinstance(file, StationFile)
    async with camera, open_station(file, StationReport(print), print) as (station, _):
        shot = await station._cameras["top"].acquire()
    assert shot.picture == b"now"


async def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as taken:
        port = taken.sockets[0].getsockname()[1]
        file = parse_station(FILE.format(port=port, camera=9))
        assert isinstance(file, StationFile)
        with pytest.raises(ConfigurationError, match=f"port {port}.: .* name another"):
            async with open_station(file, StationReport(print), print):
                pytest.fail("it began")


@pytest.mark.parametrize(("asked_ms", "due_ms"), [(120.0, 117.0), (20.0, 19.0)])
def test_a_part_is_due_a_little_before_its_time_as_processes_wake_late(
    asked_ms: float, due_ms: float
) -> None:
    timing = timing_of(CycleSection(result_ms=asked_ms, picture_ms=10))
    assert (timing.result_ms, timing.picture_ms) == (due_ms, 10)
