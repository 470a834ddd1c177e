"""The watch of a real server: workers have one stream, and a kill loses or doubles no alarm."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest

from takt.core.bundles.bundle import Bundle
from takt.recording.record import open_record
from takt.recording.watch.known import KnownBundle
from takt.recording.watch.store import ReplayStore, replay_begins
from takt.recording.watch.watcher import RecordWatcher
from tests.conftest import Server, StartServer
from tests.watched import encoded, with_facts
from tests.workers import Caller, callers, callers_of_all, eventually, wait_until_all_serve

INSPECT = "/v1/models/parts/inspect?station=left"


@pytest.fixture
def watched(bundle: Bundle) -> Bundle:
    return with_facts(bundle)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def inspect(client: Caller, seed: int, light: float = 1.0) -> None:
    assert client.ask("POST", INSPECT, encoded(seed, light))[0] == 200


def asked(server: Server, path: str) -> dict[str, Any]:
    with urlopen(server.url + path, timeout=30) as answer:
        return dict(json.load(answer))


def pictures(server: Server) -> list[int]:
    return [one["pictures"] for one in asked(server, "/v1/watch")["streams"]]


def recorded(server: Server) -> int:
    newest = asked(server, "/v1/inspections?limit=1")["inspections"]
    return int(newest[0]["id"]) if newest else 0


def alarms(server: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = asked(server, "/v1/watch/alarms")["alarms"]
    return found


def test_pictures_that_several_workers_answer_are_one_stream(
    watched: Bundle, repository: Path, data: Path, start_server: StartServer
) -> None:
    options = ("--workers", "2", "--data-folder", str(data), "--record", "sqlite")
    with start_server(repository, *options) as server:
        wait_until_all_serve(server, 2)
        with callers_of_all(server.url, 4, 2) as clients:
            for at in range(40):
                inspect(clients[at % 4], at)
            # Each worker stores its own rows, so that later ones could be stored earlier.
            eventually(lambda: pictures(server) == [40])
            for at in range(40, 100):
                inspect(clients[at % 4], at, light=0.8)
        eventually(lambda: pictures(server) == [100])
        found = alarms(server)
        assert [(one["cause"], one["station"]) for one in found] == [("camera", "left")], found


@contextmanager
def killed_at_the_end(server: Server) -> Iterator[Server]:
    """A server of which nothing is left after the block, as after a power cut."""
    yield server
    family = psutil.Process(server.process.pid)
    for one in [*family.children(recursive=True), family]:
        os.kill(one.pid, signal.SIGKILL)
    server.process.wait(30)


def test_a_server_that_is_killed_at_any_moment_raises_an_alarm_once(
    watched: Bundle, repository: Path, data: Path, fork_server: StartServer
) -> None:
    options = ("--data-folder", str(data), "--record", "sqlite")
    at = 0
    # With usual pictures; just before the alarm; while it stands; and once more.
    for light, count in ((1.0, 30), (0.8, 8), (0.8, 30), (0.8, 30)):
        with (
            fork_server(repository, *options) as server,
            killed_at_the_end(server),
            callers(server.url, 1) as (client,),
        ):
            for _ in range(count):
                at += 1
                inspect(client, at, light)
            # What is not in the record yet goes with the server.
            eventually(lambda last=at: recorded(server) == last)
            if count == 30:
                eventually(lambda seen=at: pictures(server) == [seen])
    with fork_server(repository, *options) as server:
        eventually(lambda: pictures(server) == [at])
        (alarm,) = alarms(server)
        assert alarm["cause"] == "camera"
    assert found_again(data, watched) == [(alarm["since_id"], alarm["raised_id"])]


def found_again(data: Path, bundle: Bundle) -> list[tuple[int, int]]:
    """What the watch finds in the same pictures without a kill."""
    record, known = open_record(data, "sqlite"), KnownBundle.of(bundle)
    assert record is not None
    with record.database.reading() as connection:
        store = ReplayStore(replay_begins(connection))
    RecordWatcher(record.database, lambda *named: known, store).turn()
    record.close()
    return [(one.since_id, one.raised_id) for one in store.alarms]
