"""A station whose PLC speaks the example's lines of text: real processes, nothing made up."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from takt_station.plant.box import BoxServer
from takt_station.plant.camera import plant_camera
from takt_station.plant.conveyor import Conveyor
from takt_station.plant.layout import PlantLayout, pictures_of
from tests.conftest import TAKT
from tests.plugins import install_example

pytestmark = pytest.mark.servers

FILE = """
[station]
name = "{name}"
server = "{server}"
recipe = 1
[cycle]
result_ms = 5000
picture_ms = 2000
[plc]
protocol = "lines"
port = 0
[cameras.top]
snapshot = "http://127.0.0.1:{camera}/now.jpg"
"""


@pytest.fixture
def camera() -> Iterator[int]:
    """The port of a camera that sees good parts, whatever the time is."""
    conveyor = Conveyor(0.0, 1.0, 0.5, parts=1, seed=1, defects=0.0)
    pictures = pictures_of(PlantLayout(conveyor))
    at_camera_s = 0.2
    with plant_camera(lambda: conveyor, pictures, lambda: at_camera_s) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        yield server.server_port
        server.shutdown()


@contextmanager
def station(file: Path, environment: dict[str, str]) -> Iterator[int]:
    """The port on which a station of the file hears its PLC."""
    command = [str(TAKT), "station", str(file)]
    pipe, none = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stderr=pipe, stdout=none, text=True) as process:
        assert process.stderr is not None
        try:
            said = process.stderr.readline()
            listens = re.search(r"listens to a PLC on port (\d+)", said)
            assert listens is not None, said + process.stderr.read()
            yield int(listens[1])
        finally:
            process.terminate()
            process.stderr.read()


def known(server: BoxServer) -> dict[str, Any]:
    """What the server knows of the station."""
    station = httpx.get(f"{server.url}/v1/stations/by%20lines").json()["station"]
    return dict(station)


def test_parts_have_their_results_over_another_distributions_protocol(
    server: BoxServer, camera: int, tmp_path: Path
) -> None:
    installed = install_example(tmp_path / "installed", "lines")
    paths = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    file = tmp_path / "station.toml"
    file.write_text(FILE.format(name="by lines", server=server.url, camera=camera))

    with (
        station(file, {**os.environ, "PYTHONPATH": paths}) as port,
        socket.create_connection(("127.0.0.1", port), timeout=60) as plc,
        closing(plc.makefile("rw", encoding="utf-8")) as lines,
    ):

        def says(line: str) -> None:
            lines.write(f"{line}\n")
            lines.flush()

        def hears(wanted: str) -> str:
            for line in lines:
                says("PING")
                if line.startswith(wanted):
                    return line.strip()
            raise AssertionError(f"no {wanted} before the end")

        hears("ONLINE")
        says("RECIPE 1")
        assert hears("RECIPE") == "RECIPE 1 SET"
        says("TRIGGER 17 L7 PLATE-1")
        assert re.fullmatch(r"RESULT 17 OK \d\.\d{4}", hears("RESULT"))
        says("TRIGGER 18 L7 OTHER-1")
        assert hears("RESULT") == "RESULT 18 NO_DECISION UNKNOWN_RECIPE"
        while len(results := known(server)["results"]) < 2:
            hears("BEAT")
        assert [one["part"] for one in results] == [17, 18]
        assert known(server)["plc"]["connected"] is True
    found = httpx.get(f"{server.url}/v1/inspections?lot=L7&limit=500").json()["inspections"]
    assert "PLATE-1" in {one["tags"].get("code") for one in found}
