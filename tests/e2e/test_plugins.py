"""The outlets of the examples in a real server, as their READMEs say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import TAKT, StartServer
from tests.plugins import EXAMPLES, install, install_example
from tests.ports import kept_port
from tests.workers import INSPECT, callers, eventually, ready

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the example writes to, which is installed for every process that a test starts."""
    installed = install_example(tmp_path / "installed", "rejects")
    monkeypatch.setenv("PYTHONPATH", str(installed), prepend=os.pathsep)
    monkeypatch.setenv("TAKT_PLUGIN_REJECTS_FILE", str(tmp_path / "rejects.jsonl"))
    return tmp_path / "rejects.jsonl"


def inspected(url: str, picture: bytes, part: str) -> dict[str, Any]:
    request = urllib.request.Request(url + INSPECT, picture, {"X-Takt-Part": part})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer))


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.usefixtures("bundle")
def test_each_rejected_part_is_a_line_in_the_file(
    start_server: StartServer, repository: Path, picture_bytes: Callable[..., bytes], file: Path
) -> None:
    with start_server(repository, "--plugins", "rejects") as server:
        inspected(server.url, picture_bytes(50), "good one")
        answer = inspected(server.url, picture_bytes(50, spot=200), "A-17")
        assert server.stop() == -signal.SIGTERM
    (line,) = lines_of(file)
    assert (line["topic"], line["part"]) == ("takt/parts/rejected", "A-17")
    assert (line["score"], line["request_id"]) == (answer["score"], answer["request_id"])
    log = "".join(server.log)
    assert "answers go to the outlet rejects as well" in log
    assert "is no setting" not in log


@pytest.mark.usefixtures("bundle")
def test_every_worker_has_an_outlet_of_its_own_and_no_line_is_lost(
    start_server: StartServer, repository: Path, picture_bytes: Callable[..., bytes], file: Path
) -> None:
    bad_part = picture_bytes(50, spot=200)
    with start_server(repository, "--plugins", "rejects", "--workers", "2") as server:
        eventually(lambda: ready(server))
        with callers(server.url, 8) as clients:
            ids = {client.post(INSPECT, bad_part)["request_id"] for client in clients * 5}
        assert server.stop() == 0
    assert {line["request_id"] for line in lines_of(file)} == ids
    assert len(lines_of(file)) == 40
    assert "".join(server.log).count("answers go to the outlet rejects as well") == 2


def serve_refused(*options: str) -> str:
    command = [str(TAKT), "serve", "--port", "0", *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    return ended.stderr


@pytest.mark.usefixtures("bundle")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_whose_plugin_fails_when_it_is_imported_ends_and_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repository: Path, workers: str
) -> None:
    groups = {"takt.outlets": {"broken": "made_up_broken:outlet"}}
    folder = install(tmp_path / "installed", groups, {"made_up_broken": "import no_such_module"})
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    said = serve_refused(
        "--repository", str(repository), "--plugins", "broken", "--workers", workers
    )
    assert (
        "Error: the plugin broken (outlet, takt-made-up 1.2.3) cannot be loaded: "
        "ModuleNotFoundError: No module named 'no_such_module'; mend it, or take it out of the "
        "setting plugins"
    ) in said
    assert "Traceback" not in said


@pytest.mark.usefixtures("file")
def test_takt_lists_the_example_and_whether_it_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [sys.executable, "-c", "from takt.commands.plugins import plugins; plugins()"]
    for named, state in (("", "off"), ("rejects", "on")):
        monkeypatch.setenv("TAKT_PLUGINS", named)
        told = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
        rows = [line.split() for line in told.splitlines()]
        assert ["rejects", "outlet", "takt-rejects", "0.1.0", state] in rows


class Channel(HTTPServer):
    """Where Slack is at other times: it keeps the texts that it is posted."""

    texts: list[str]


class Posted(BaseHTTPRequestHandler):
    """Takes each message."""

    server: Channel

    def do_POST(self) -> None:
        """Take one."""
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
        self.server.texts.append(message["text"])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def channel_on(port: int) -> Iterator[list[str]]:
    """The texts of a channel that is there until the block ends."""
    with Channel(("127.0.0.1", port), Posted) as server:
        server.texts = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.texts
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("bundle")
def test_what_an_outlet_delivers_comes_after_a_kill_in_order(
    monkeypatch: pytest.MonkeyPatch,
    start_server: StartServer,
    repository: Path,
    picture_bytes: Callable[..., bytes],
    tmp_path: Path,
) -> None:
    installed = install_example(tmp_path / "installed", "slack")
    monkeypatch.setenv("PYTHONPATH", str(installed), prepend=os.pathsep)
    options = ("--plugins", "slack", "--data-folder", str(tmp_path / "data"))
    bad_part = picture_bytes(50, spot=200)
    with kept_port() as port:
        monkeypatch.setenv("TAKT_PLUGIN_SLACK_URL", f"http://127.0.0.1:{port}/services/x")
        with start_server(repository, *options) as server:
            for part in ("A-1", "A-2", "A-3"):
                inspected(server.url, bad_part, part)
            metrics = f"{server.url}/metrics"
            kept = 'takt_outlet_kept_messages{outlet="slack"} 3.0'
            eventually(lambda: kept in httpx.get(metrics).text)
            server.process.kill()
            server.process.wait(timeout=60)
        with channel_on(port) as texts, start_server(repository, *options) as server:
            inspected(server.url, bad_part, "A-4")
            eventually(lambda: len(texts) == 4)
            server.stop()
    assert [text.split(" (")[0] for text in texts] == [
        f"parts rejects part A-{number}" for number in (1, 2, 3, 4)
    ]
    assert all(text.endswith("(told late)") for text in texts[:3])


@pytest.mark.parametrize("name", ["rejects", "slack", "lines"])
def test_the_examples_own_tests_pass(name: str) -> None:
    path = os.pathsep.join((str(ROOT), str(EXAMPLES / name), os.environ.get("PYTHONPATH", "")))
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", f"test_takt_{name}.py"],
        cwd=EXAMPLES / name,
        env=os.environ | {"PYTHONPATH": path},
        check=True,
    )


@pytest.mark.parametrize(("name", "variable"), [("rejects", "FILE"), ("slack", "URL")])
def test_the_readme_shows_how_the_example_is_turned_on(name: str, variable: str) -> None:
    readme = (EXAMPLES / name / "README.md").read_text("utf-8")
    for said in ("takt plugins", f"TAKT_PLUGIN_{name.upper()}_{variable}", f"--plugins {name}"):
        assert said in readme
