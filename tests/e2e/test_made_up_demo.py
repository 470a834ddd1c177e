"""`takt demo`, as somebody plays it who has the wheel alone."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import httpx
import pytest

from takt.commands.demo.part import jpeg
from takt.core.distribution import COMMAND
from tests.workers import eventually


def play(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "demo", "--once", *options]
    env = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)


def test_the_demo_is_right_about_every_picture_and_keeps_all_in_its_folder(tmp_path: Path) -> None:
    # What the environment says of another server is not for this one.
    ended = play("--port", "0", "--folder", str(tmp_path / "demo"), TAKT_PORT="none")

    assert ended.returncode == 0, ended.stderr
    assert "12 of 12 verdicts agree with the truth" in ended.stdout
    assert "promise nothing about real parts" in ended.stdout
    rows = re.findall(r"^(\S+)-\d\.jpg +(\S+) +\S+ (good|anomalous) ", ended.stdout, re.MULTILINE)
    assert [verdict for *_, verdict in rows] == ["good"] * 4 + ["anomalous"] * 8
    assert all(name == truth for name, truth, _ in rows)
    pictures, overlays = (
        sorted((tmp_path / "demo" / it).iterdir()) for it in ("pictures", "overlays")
    )
    assert len(pictures) == len(overlays) == 12
    for path in (*pictures, *overlays):
        assert cv2.imread(str(path)).shape == (240, 320, 3)
    assert (tmp_path / "demo/data").is_dir()
    assert (tmp_path / "demo/models/plate/1/manifest.json").is_file()


@contextmanager
def playing(temporary: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The demo once it has told that it serves, and where."""
    command = [*COMMAND, "demo", "--port", "0"]
    environment = os.environ | {"TMPDIR": str(temporary)}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # In the background of a shell it is ignored.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            assert process.stdout is not None
            url = ""
            for line in process.stdout:
                url = line.split()[1] if line.startswith("console:") else url
                if line.startswith("Serving until Ctrl-C"):
                    break
            yield process, url
        finally:
            process.terminate()
            process.wait(timeout=60)


def is_watched(server: str) -> bool:
    """Whether the next picture is, or an earlier one was; the watch leaves out what it found."""
    asked = httpx.post(f"{server}/v1/models/plate/inspect", content=jpeg(1))
    assert asked.status_code == 200
    streams = httpx.get(f"{server}/v1/watch").json()["streams"]
    return [(one["model"], one["calibrated_on"]) for one in streams] == [("plate", 120)]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_it_serves_until_it_is_told_to_end_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with playing(tmp_path) as (process, console):
        server = console.removesuffix("/console")
        assert httpx.get(console, follow_redirects=True).status_code == 200
        eventually(lambda: len(httpx.get(f"{server}/v1/inspections").json()["inspections"]) == 12)
        eventually(lambda: is_watched(server))
        assert len(list(tmp_path.glob("takt-demo-*"))) == 1
        process.send_signal(number)
        assert process.wait(timeout=60) == status

    assert not list(tmp_path.glob("takt-demo-*"))
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server}/health/live")


def test_a_taken_port_is_told_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = play("--port", str(port))

    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"Error: port {port} of 127.0.0.1 is taken by ")
    assert "give another --port, or --port 0" in line


def test_without_an_engine_it_says_what_to_install(tmp_path: Path) -> None:
    for name in ("onnxruntime", "openvino"):
        (tmp_path / f"{name}.py").write_text("raise ModuleNotFoundError(name=__name__)")
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    ended = play("--port", "0", PYTHONPATH=paths)

    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: plate cannot be served: ONNX Runtime is not installed")
    assert "pip install" in ended.stderr
