"""`takt watch` as it is installed: against a server process, and told to end by a signal."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

TAKT = Path(sys.executable).with_name("takt")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Thirty frames of 64 × 48; every third is bright."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for number in range(30):
        writer.write(np.full((48, 64, 3), 50 if number % 3 else 200, np.uint8))
    writer.release()
    return path


def test_a_video_is_watched_by_a_server(
    fork_server, bundle, repository: Path, clip: Path, tmp_path: Path
) -> None:
    save = tmp_path / "saved"
    with fork_server(repository) as server:
        command = [TAKT, "watch", clip, "--url", server.url, "--save", save, "--vote", "1/2"]
        ended = subprocess.run(
            [*map(str, command), "--json"], capture_output=True, text=True, timeout=60
        )
    assert ended.returncode == 0, ended.stderr
    *answers, summary = map(json.loads, ended.stdout.splitlines())
    assert [answer["sequence"] for answer in answers] == list(range(30))
    assert [answer["anomalous"] for answer in answers] == [n % 3 == 0 for n in range(30)]
    assert [answer["vote"]["anomalous"] for answer in answers] == [n % 3 < 2 for n in range(30)]
    assert len(list(save.iterdir())) == 10
    assert summary["stats"]["answered"] == 30


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_watch_with_its_figures(
    bundle, repository: Path, tmp_path: Path, picture_bytes: Callable[..., bytes], number: int
) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    (folder / "one.png").write_bytes(picture_bytes())
    command = [TAKT, "watch", folder, "--bundle", repository / "parts" / "1"]
    with subprocess.Popen(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline().startswith("threshold ")
            assert process.stdout.readline().startswith("frame ")
            assert process.stdout.readline().split()[:2] == ["one", "good"]
            process.send_signal(number)
            assert process.wait(timeout=60) == 0, process.stderr.read()
            assert process.stdout.readline().startswith("1 frames in ")
        finally:
            process.kill()


def test_a_server_that_refuses_ends_a_watch_with_one_line(
    fork_server, bundle, repository: Path, clip: Path
) -> None:
    with fork_server(repository) as server:
        command = [TAKT, "watch", clip, "--url", server.url, "--model", "none"]
        ended = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "there is no model 'none'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_server_is_watched_from_several_sources_and_ctrl_c_ends_all(
    fork_server, bundle, repository: Path, tmp_path: Path, picture_bytes: Callable[..., bytes]
) -> None:
    folders = [tmp_path / name for name in ("left", "right")]
    for folder in folders:
        folder.mkdir()
        (folder / "one.png").write_bytes(picture_bytes())
    with fork_server(repository) as server:
        command = [TAKT, "watch", *folders, "--url", server.url]
        with subprocess.Popen(
            [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                _, _, *rows = [process.stdout.readline().split()[:3] for _ in range(4)]
                assert sorted(rows) == [["left", "one", "good"], ["right", "one", "good"]]
                process.send_signal(signal.SIGINT)
                assert process.wait(timeout=60) == 0, process.stderr.read()
                assert process.stdout.read().count("1 frames in ") == 2
                assert process.stderr.read() == ""
            finally:
                process.kill()


@pytest.fixture
def camera() -> Iterator[str]:
    """The address of a camera that sends fifty pictures a second for as long as it is read."""
    _, picture = cv2.imencode(".jpg", np.full((48, 64, 3), 50, np.uint8))
    part = b"--f\r\nContent-Type: image/jpeg\r\n\r\n" + picture.tobytes() + b"\r\n"
    over = threading.Event()

    class Camera(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=f")
            self.end_headers()
            with contextlib.suppress(OSError):
                while not over.wait(0.02):
                    self.wfile.write(part)

    with ThreadingHTTPServer(("127.0.0.1", 0), Camera) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/live.mjpg"
        finally:
            over.set()
            server.shutdown()


def test_ctrl_c_ends_a_watch_of_cameras_without_an_abort(
    bundle, repository: Path, camera: str
) -> None:
    """A thread that wakes from OpenCV while Python ends would abort the process."""
    command = [TAKT, "watch", camera, camera, "--bundle", repository / "parts" / "1"]
    with subprocess.Popen(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            rows = [process.stdout.readline() for _ in range(6)]
            assert "good" in rows[-1]
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "")
    assert output.count(" frames in ") == 2


@pytest.mark.parametrize("by", ["names", "table"])
def test_a_watched_folder_records_part_lot_and_file_of_each_picture(
    fork_server,
    bundle,
    repository: Path,
    tmp_path: Path,
    picture_bytes: Callable[..., bytes],
    by: str,
) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    for name in ("L7_S1.png", "L7_S2.png", "other.png"):
        (folder / name).write_bytes(picture_bytes())
    table = tmp_path / "parts.csv"
    table.write_text("file,part,lot\nL7_S1.png,S1,L7\nL7_S2,S2,L7\n")
    said = {"names": ["--part", "(?P<lot>L.+)_(?P<part>.+)"], "table": ["--parts", table]}[by]
    with fork_server(
        repository, "--record", "sqlite", "--data-folder", str(tmp_path / "data")
    ) as server:
        command = [TAKT, "watch", folder, "--url", server.url, "--lot", "L0", "--limit", "3", *said]
        subprocess.run([*map(str, command)], check=True, capture_output=True, timeout=60)
        server.stop()
        listed = [TAKT, "records", "--json", "--data-folder", tmp_path / "data"]
        found = subprocess.run(
            [*map(str, listed), "--record", "sqlite"], check=True, capture_output=True, text=True
        )
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert [(row["part"], row["lot"], row["tags"]) for row in rows] == [
        ("S1", "L7", {"file": "L7_S1.png"}),
        ("S2", "L7", {"file": "L7_S2.png"}),
        (None, "L0", {"file": "other.png"}),
    ]
