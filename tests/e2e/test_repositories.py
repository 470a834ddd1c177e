"""Real servers whose bundles come from a web server."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from takt.mirroring.location import mirror_folder
from tests.conftest import MakeBundle, Server, StartServer
from tests.deploy.live_prometheus import eventually
from tests.shelves import WebShelf, upload, web_shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[WebShelf]:
    with web_shelf(tmp_path / "there") as shelf:
        yield shelf


def whole(log: list[str]) -> str:
    text = "".join(log)
    assert "Traceback" not in text and "Unclosed" not in text
    return text


def told(server: Server, line: str) -> bool:
    return any(line in one for one in list(server.log))


def test_versions_come_when_asked_and_a_password_is_in_no_line(
    fork_server: StartServer,
    shelf: WebShelf,
    make_bundle: MakeBundle,
    tmp_path: Path,
) -> None:
    url = shelf.url.replace("://", "://me:secretword@")
    upload(shelf, make_bundle().path)
    options = ("--data-folder", str(tmp_path / "data"), "--repository-poll-s", "0")
    with fork_server(url, *options) as server:
        upload(shelf, make_bundle(version="2").path, spoil="golden.npz")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: told(server, "parts/2 is not taken"), 60)
        models = httpx.get(f"{server.url}/v1/models").text
        assert "golden.npz" in models and "secretword" not in models
        assert server.stop() == -signal.SIGTERM
    log = whole(server.log)
    assert f"models come from {shelf.url}, and are kept in {tmp_path}" in log
    assert "secretword" not in log and "me:" not in log
    assert set(shelf.credentials) == {"Basic bWU6c2VjcmV0d29yZA=="}


def test_a_start_with_a_mirror_does_not_wait_for_a_store_that_says_nothing(
    fork_server: StartServer, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        data = tmp_path / "data"
        mirror = mirror_folder(data, url)
        mirror.parent.mkdir(parents=True)
        make_bundle().path.parents[1].rename(mirror)
        with fork_server(url, "--data-folder", str(data)) as server:
            # Ready, and nobody knows yet that nothing will come.
            assert not told(server, "what came until now is served")
            assert httpx.get(f"{server.url}/health/ready").status_code == 200
            assert server.stop() == -signal.SIGTERM
    whole(server.log)


def test_a_server_that_is_told_to_end_while_a_file_comes_ends_and_leaves_nothing_half(
    fork_server: StartServer,
    shelf: WebShelf,
    make_bundle: MakeBundle,
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    upload(shelf, make_bundle().path)
    with fork_server(shelf.url, "--data-folder", str(data), "--repository-poll-s", "0.1") as server:
        shelf.stalls = {"2/model.onnx"}
        upload(shelf, make_bundle(version="2").path)
        assert shelf.stalled.wait(30)
        assert server.stop() == -signal.SIGTERM
    whole(server.log)
    mirror = mirror_folder(data, shelf.url)
    assert [path.name for path in mirror.glob("parts/*")] == ["1"]

    shelf.stalls = set()
    with fork_server(shelf.url, "--data-folder", str(data)):
        # It fetches that version anew, and removes what is left of the first try.
        eventually(lambda: (mirror / "parts" / "2").is_dir())
        eventually(lambda: not list(mirror.glob(".incoming-*/parts/2")))
