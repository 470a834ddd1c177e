from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from websockets.sync.server import ServerConnection

from takt.commands.watch.commands import watch


def run(*arguments: object) -> Result:
    return CliRunner().invoke(watch, [str(argument) for argument in arguments])


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Six frames of 64 × 48; the fourth and the fifth are bright."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for level in (50, 50, 50, 200, 200, 50):
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    return path


def test_a_video_is_watched_to_its_end_and_anomalous_frames_are_saved(
    clip: Path, bundle, repository: Path, tmp_path: Path
) -> None:
    save = tmp_path / "saved"
    options = ["--bundle", repository / "parts" / "1", "--vote", "2/3", "--save", save]
    result = run(clip, *options, "--json")
    assert result.exit_code == 0, result.output
    *answers, summary = map(json.loads, result.stdout.splitlines())
    assert [answer["name"] for answer in answers] == [f"clip-{n:06}" for n in range(6)]
    assert [answer["anomalous"] for answer in answers] == [n in (3, 4) for n in range(6)]
    assert [answer["vote"]["anomalous"] for answer in answers] == [n in (4, 5) for n in range(6)]
    assert sorted(path.name for path in save.iterdir()) == [
        "000003-clip-000003.jpg",
        "000004-clip-000004.jpg",
    ]
    assert cv2.imread(answers[3]["saved"]).shape == (48, 64, 3)
    assert (summary["stats"]["answered"], summary["stats"]["anomalous"]) == (6, 2)


def test_a_folder_is_watched_for_people(bundle, repository: Path, tmp_path: Path, picture_bytes):
    folder = tmp_path / "shots"
    folder.mkdir()
    (folder / "bad.png").write_bytes(picture_bytes(200))
    (folder / "good.png").write_bytes(picture_bytes(50))
    result = run(folder, "--bundle", repository / "parts" / "1", "--limit", "2")
    assert result.exit_code == 0, result.output
    threshold, heading, first, second, summary, engine, waiting = result.stdout.splitlines()
    assert threshold.startswith("threshold 0.5")
    assert heading.split() == ["frame", "verdict", "score", "regions", "engine", "waiting"]
    assert first.split()[:4] == ["bad", "ANOMALOUS", "0.7843", "1"]
    assert second.split()[:4] == ["good", "good", "0.1961", "0"]
    assert "2 answered" in summary
    assert engine.startswith("engine ")
    assert waiting.startswith("waiting ")
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize("by", ["file", "environment"])
def test_a_server_is_shown_the_key(
    clip: Path, scripted, wire, tmp_path: Path, monkeypatch, by: str
) -> None:
    def script(connection: ServerConnection) -> None:
        assert connection.request.headers["Authorization"] == "Bearer tk_secret"
        connection.recv()
        connection.send(wire.welcome())
        frame = wire.unpack(connection.recv())
        connection.send(wire.answer(frame.sequence))
        connection.recv()
        connection.send(wire.goodbye(1))

    file = tmp_path / "key"
    file.write_text("tk_secret\n")
    given = ["--key-file", file] if by == "file" else []
    if by == "environment":
        monkeypatch.setenv("TAKT_KEY", "tk_secret")
    with scripted(script) as url:
        result = run(clip, "--url", url, "--model", "parts", "--limit", "1", *given)
    assert result.exit_code == 0, result.output
    assert "1 answered" in result.output


def test_a_looping_video_ends_at_the_limit(clip: Path, bundle, repository: Path) -> None:
    result = run(clip, "--bundle", repository / "parts" / "1", "--loop", "--limit", "8", "--json")
    assert json.loads(result.stdout.splitlines()[-1])["stats"]["answered"] == 8


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["x"], 2, "name a --bundle or a --url"),
        (["x", "--bundle", ".", "--url", "http://takt"], 2, "and not both"),
        (["x", "--bundle", ".", "--model", "parts"], 2, "name its --url"),
        (["x", "--bundle", ".", "--key", "tk"], 2, "name its --url"),
        (["x", "--url", "http://takt", "--key", "a", "--key-file", "b"], 2, "and not both"),
        (["x", "--url", "http://takt", "--key-file", "gone"], 2, "gone cannot be read: No such"),
        (["0", "--url", "http://takt", "--cafile", "gone"], 1, "are of https"),
        (["0", "--url", "https://takt", "--cafile", "gone"], 1, "gone has not certificates"),
        (["gone.avi", "--bundle", "."], 1, "gone.avi is not there; name a folder"),
        (["0", "1", "--bundle", ".", "--station", "left"], 2, "2 sources need as many --station"),
        (["0", "1", "--bundle", ".", *["--station", "left"] * 2], 2, "a name of its own"),
        (["0", "--bundle", ".", "--vote", "3"], 2, "3/5 is"),
        (["0", "--bundle", ".", "--vote", "4/3"], 2, "3/5 is"),
        (["0", "--bundle", ".", "--fps", "0"], 2, "fps"),
        (["0", "--bundle", ".", "--smoothing", "1.5"], 2, "smoothing"),
    ],
)
def test_a_wrong_call_ends_with_one_clear_line(arguments, code: int, complaint: str) -> None:
    result = run(*arguments)
    assert result.exit_code == code
    assert complaint in result.stderr
    assert "Traceback" not in result.output


def test_several_sources_are_watched_at_once_and_a_broken_one_ends_alone(
    clip: Path, bundle, repository: Path, tmp_path: Path, picture_bytes
) -> None:
    folder, broken, save = tmp_path / "shots", tmp_path / "broken.avi", tmp_path / "saved"
    folder.mkdir()
    (folder / "bad.png").write_bytes(picture_bytes(200))
    broken.write_bytes(b"no video")
    options = ["--bundle", repository / "parts" / "1", "--limit", "1", "--save", save]
    result = run(clip, broken, folder, tmp_path / "gone.avi", *options)
    assert result.exit_code == 1
    rows = [line.split()[:3] for line in result.stdout.splitlines()]
    assert ["clip", "clip-000000", "good"] in rows
    assert ["shots", "bad", "ANOMALOUS"] in rows
    assert [line for line in result.stdout.splitlines() if line in ("clip", "broken", "shots")]
    assert list(save.rglob("*.jpg")) == [save / "shots" / "000000-bad.jpg"]
    told = result.stderr.splitlines()
    assert any(line.startswith("gone: ") and "is not there" in line for line in told)
    assert any(line.startswith("broken: OpenCV cannot open") for line in told)
    assert told[-1] == "Error: 2 of 4 sources failed"


def test_several_sources_that_end_well_end_with_0_and_json_says_which(
    clip: Path, bundle, repository: Path
) -> None:
    options = ["--bundle", repository / "parts" / "1", "--limit", "2", "--json"]
    result = run(clip, clip, *options, "--station", "left", "--station", "right")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    said = sorted((line["station"], line["type"]) for line in lines)
    assert said == [
        *[("left", "answer")] * 2,
        ("left", "summary"),
        *[("right", "answer")] * 2,
        ("right", "summary"),
    ]


def test_a_server_that_comes_back_is_told_with_what_became_of_the_frames(
    clip: Path, scripted, wire
) -> None:
    def goes_away(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.welcome(credits=1))
        connection.recv()
        connection.close(1012, "restarting")

    def is_back(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(wire.welcome(credits=1))
        frame = wire.unpack(connection.recv())
        connection.send(wire.answer(frame.sequence))
        connection.recv()
        connection.send(wire.goodbye(1))

    with scripted(goes_away, is_back) as url:
        result = run(clip, "--url", url, "--model", "parts", "--limit", "1")
    assert result.exit_code == 0, result.output
    away, back = result.stderr.splitlines()
    assert away.startswith(f"cannot reach {url}: the server stops or restarts; trying again in ")
    assert back.startswith(f"{url} is back after ")
    assert back.endswith("; frames without an answer are sent again")


def test_a_server_that_is_not_there_is_told_at_once(tmp_path: Path, scripted) -> None:
    with scripted() as url:
        pass
    command = [str(Path(sys.executable).with_name("takt")), "watch", str(tmp_path)]
    with subprocess.Popen(
        [*command, "--url", url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            line = process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            output, further = process.communicate(timeout=60)
        finally:
            process.kill()
    assert line.startswith(
        f"cannot reach {url}: nothing listens there (connection refused); trying again in "
    )
    assert (process.returncode, further) == (0, "")
    assert output.startswith("0 frames in")


def test_one_sigterm_ends_it_while_a_server_that_never_answered_is_waited_for(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [str(Path(sys.executable).with_name("takt")), "watch", str(tmp_path)]
        command += ["--url", url, "--model", "parts"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                silent.settimeout(60)
                connection, _ = silent.accept()
                process.send_signal(signal.SIGTERM)
                output, _ = process.communicate(timeout=60)
            finally:
                process.kill()
            connection.close()
    assert process.returncode == 0
    assert output.startswith("0 frames in")


def test_its_help_has_the_options_under_headings_and_the_sources_above_them() -> None:
    lines = run("--help").stdout.splitlines()
    headings = [line for line in lines if line[:1].isupper() and line.endswith(":")]
    assert headings[:3] == ["Options:", "What inspects:", "Frames:"]
    assert headings[3:5] == ["For a server's record:", "Verdict over time:"]
    assert lines[0].endswith("watch [OPTIONS] SOURCE...")
    assert not [line for line in lines[1:] if "SOURCE..." in line or "RANGE" in line]


def test_the_command_line_loads_it_only_when_it_is_asked_for() -> None:
    code = "import sys, takt.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "takt.cli" in loaded
    assert not [name for name in loaded if name == "cv2" or name.startswith("takt.commands.watch")]
