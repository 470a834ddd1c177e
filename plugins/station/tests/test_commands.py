from __future__ import annotations

import io
import logging
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from plugins.station.tests.test_file import GOOD
from takt_station.commands import station, told_on_stderr
from takt_station.plant.command import simulate


def run(*args: str) -> tuple[int, str]:
    done = CliRunner().invoke(station, args)
    return done.exit_code, done.output


def test_a_file_that_is_right_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(GOOD)

    code, said = run("check", str(path))

    assert code == 0
    assert "station line3 asks http://127.0.0.1:8000" in said
    assert "the cameras top, left" in said


@pytest.mark.parametrize("command", [["check"], ["run"], []])
def test_what_is_wrong_with_a_file_is_said_by_line(command: list[str], tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(GOOD.replace("picture_ms = 40", "picture_ms = -40"))

    code, said = run(*command, str(path))

    assert code == 1
    assert f"{path}:8: cycle.picture_ms: input should be greater than 0" in said


def test_a_key_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(GOOD.replace("recipe = 1", 'key_file = "none.key"'))

    code, said = run(str(path))

    assert code == 1
    assert "station.key_file: none.key cannot be read" in said


def test_a_camera_that_is_no_source_is_said(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(GOOD.replace("rtsp://camera/main", "nothing/here"))

    code, said = run(str(path))

    assert code == 1
    assert "nothing/here is not there" in said


def test_a_row_of_equal_failures_fills_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    with told_on_stderr():
        for request in range(50):
            try:
                raise RuntimeError("no status")
            except RuntimeError:
                logging.getLogger("takt_station.plc").exception("request %d failed", request)
        logging.getLogger("takt_station").warning("the server is back")
    said = stderr.getvalue()
    assert said.count("Traceback") == 1
    assert said.startswith("request 0 failed\n")
    assert said.endswith("\nthe server is back\n")


def test_own_pictures_need_a_server_that_knows_them(tmp_path: Path) -> None:
    done = CliRunner().invoke(simulate, ["--good", str(tmp_path), "--bad", str(tmp_path)])

    assert done.exit_code == 2
    assert "--url" in done.output


@pytest.mark.parametrize("option", ["--cafile", "--certfile"])
def test_certificates_that_cannot_be_read_are_said_before_a_plant_begins(option: str) -> None:
    done = CliRunner().invoke(simulate, ["--url", "https://127.0.0.1:9", option, "gone.pem"])

    assert done.exit_code == 1
    assert "gone.pem has not" in done.output


@pytest.mark.parametrize("fault", ["earthquake@1", "network_cut", "network_cut@x", "camera_slow@1"])
def test_a_fault_that_processes_cannot_have_is_refused(fault: str) -> None:
    done = CliRunner().invoke(simulate, ["--fault", fault])

    assert done.exit_code == 2
    assert "network_cut" in done.output
