"""A worker that stands still, as by SIGSTOP: whoever asks the others is answered without it."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from takt.core.bundles.bundle import Bundle
from tests.conftest import Server, StartServer
from tests.workers import (
    Caller,
    callers_of_all,
    eventually,
    said,
    wait_until_all_serve,
    workers_of,
)

THRESHOLD = "/v1/models/parts/threshold"

ANSWERED_WITHIN_S = 4.0
"""Two seconds, and as much again for a machine that does other things."""

GIVEN_UP_WITHIN_S = 15.0
"""Ten seconds, and five for the same."""


@pytest.fixture
def server(
    bundle: Bundle, repository: Path, tmp_path: Path, start_server: StartServer
) -> Iterator[Server]:
    data = str(tmp_path / "data")
    with start_server(repository, "--workers", "2", "--data-folder", data) as started:
        wait_until_all_serve(started, 2)
        yield started


def asked(server: Server, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    """Status and answer of a request on a connection of its own, which has to come soon."""
    parts = urlsplit(server.url)
    assert parts.hostname is not None
    connection = HTTPConnection(parts.hostname, parts.port, timeout=30)
    began_s = time.monotonic()
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        found = answer.status, answer.read()
    finally:
        connection.close()
    took_s = time.monotonic() - began_s
    assert took_s < ANSWERED_WITHIN_S, (method, path, took_s)
    return found


@pytest.mark.parametrize("which", [min, max])
def test_operators_are_answered_soon_whichever_worker_stands_still(
    server: Server, which: Callable[[set[int]], int]
) -> None:
    stopped = which(workers_of(server))
    os.kill(stopped, signal.SIGSTOP)
    try:
        eventually(lambda: said(server, "says nothing"))
        learning, answer = asked(server, "GET", "/v1/learning")
        # Only the one that leads knows it.
        assert learning == 200 or (learning == 503 and b"stands still" in answer), answer
        status, answer = asked(server, "GET", "/v1/status")
        assert status == 200, answer
        workers = json.loads(answer)["workers"]
        assert workers["number"] == 2 and workers["silent"] == 1
        assert workers["leader_is_silent"] == (learning == 503)
        status, answer = asked(server, "GET", "/v1/status/conditions/TaktQueueSaturated")
        assert status == 200, answer
        assert asked(server, "GET", "/v1/streams")[0] == 200
        status, text = asked(server, "GET", "/metrics")
        assert status == 200
        assert re.search(rb"^takt_workers_still 1.0$", text, re.MULTILINE)
        changed, answer = asked(server, "PUT", THRESHOLD, {"image": 0.9})
        assert changed in (200, 503), answer
    finally:
        os.kill(stopped, signal.SIGCONT)
    eventually(lambda: said(server, "goes on"))
    # What was not done is not done later either; what was done holds in both.
    wanted = 0.9 if changed == 200 else 0.5
    with callers_of_all(server.url, 4, 2) as clients:
        for client in clients:
            eventually(lambda client=client: threshold_at(client) == wanted)


def threshold_at(client: Caller) -> float:
    client._connection.request("GET", "/v1/models/parts")
    answer = json.loads(client._connection.getresponse().read())
    found: float = answer["versions"][0]["thresholds"]["image"]
    return found


def test_who_asks_as_a_worker_stops_is_answered_by_the_other_one(server: Server) -> None:
    for stopped in sorted(workers_of(server)):
        with callers_of_all(server.url, 4, 2) as clients, ThreadPoolExecutor(4) as pool:
            of_worker = {client: client.ask("GET", "/v1/models")[1] for client in clients}
            os.kill(stopped, signal.SIGSTOP)
            try:
                answered = set(filter(None, pool.map(hears_of_status, clients)))
            finally:
                os.kill(stopped, signal.SIGCONT)
        # All those that are connected to the one that goes on.
        (other,) = {of_worker[client] for client in answered}
        assert answered == {client for client in clients if of_worker[client] == other}


def hears_of_status(client: Caller) -> Caller | None:
    """The client, if it is answered soon."""
    assert client._connection.sock is not None
    client._connection.sock.settimeout(ANSWERED_WITHIN_S)
    try:
        return client if client.ask("GET", "/v1/status")[0] == 200 else None
    except TimeoutError:
        return None


def test_what_a_worker_was_handed_before_it_stopped_waits_seconds_and_another_one_answers(
    server: Server,
) -> None:
    before = workers_of(server)
    with callers_of_all(server.url, 4, 2) as clients:
        of_worker = {client: client.ask("GET", "/v1/models")[1] for client in clients}
        stopped = min(before)
        os.kill(stopped, signal.SIGSTOP)
        began_s = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(asked_again, clients))
        took_s = time.monotonic() - began_s
    assert len(set(of_worker.values())) == 2
    # All are answered, and those of the one that was stopped by the other one, or its successor.
    assert [status for status, _ in answers] == [200] * 4
    assert any(again for _, again in answers)
    assert took_s < GIVEN_UP_WITHIN_S, took_s
    eventually(lambda: len(workers_of(server)) == 2 and stopped not in workers_of(server))
    assert said(server, "has said nothing for 10 s")


def asked_again(client: Caller) -> tuple[int, bool]:
    """Status of an answer, and whether it took a connection of its own after one was closed."""
    try:
        return client.ask("GET", "/v1/models")[0], False
    except (HTTPException, OSError):
        client.close()
        return client.ask("GET", "/v1/models")[0], True
