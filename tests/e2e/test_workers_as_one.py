"""What workers of one server know of each other, asked over real connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from websockets.asyncio.client import connect

from takt.core.bundles.bundle import Bundle
from takt_client.pictures import pack_frame
from tests.conftest import Server, StartServer, bundle_maker
from tests.workers import (
    INSPECT,
    callers,
    callers_of_all,
    eventually,
    said,
    wait_until_all_serve,
)

READY = "parts 1 is ready"
THRESHOLD = "/v1/models/parts/threshold"


@pytest.fixture
def server(
    bundle: Bundle, repository: Path, tmp_path: Path, start_server: StartServer
) -> Iterator[Server]:
    data = str(tmp_path / "data")
    options = ("--workers", "2", "--record", "sqlite", "--data-folder", data, "--no-request-log")
    with start_server(repository, *options) as started:
        wait_until_all_serve(started, 2)
        yield started


@pytest.fixture(scope="module")
def of_the_module(
    tmp_path_factory: pytest.TempPathFactory, start_server: StartServer
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("shared")
    bundle_maker(folder / "models")()
    data = str(folder / "data")
    options = ("--workers", "2", "--record", "sqlite", "--data-folder", data, "--no-request-log")
    with start_server(folder / "models", *options) as started:
        yield started


@pytest.fixture
def shared(of_the_module: Server) -> Server:
    """A server to which nobody is connected; each test asks for parts and recipes of its own."""
    wait_until_all_serve(of_the_module, 2)
    return of_the_module


def test_a_change_at_one_worker_is_in_force_in_each_and_told_once(
    server: Server, picture_bytes: Callable[..., bytes], tmp_path: Path
) -> None:
    picture = picture_bytes(100)
    with callers(server.url, 4) as clients:
        for threshold, anomalous in ((0.9, False), (0.2, True)) * 3:
            body = json.dumps({"image": threshold}).encode()
            assert clients[0].ask("PUT", THRESHOLD, body)[0] == 200
            got = [one.post(INSPECT, picture) for one in clients]
            assert {one["anomalous"] for one in got} == {anomalous}
            clients.append(clients.pop(0))
        text = httpx.get(f"{server.url}/metrics").text
        changed = r'^takt_threshold_changes_total\{kind="image",model="parts"\} (\S+)$'
        assert re.findall(changed, text, re.MULTILINE) == ["6.0"]
        # Its figures may be a second old.
        eventually(lambda: answered_by_status(server) == 24)
        answer = httpx.get(f"{server.url}/v1/audit")
        assert answer.status_code == 200, answer.text
        entries = answer.json()["entries"]
        told = Counter(entry["action"] for entry in entries)
        assert told == {"server_started": 1, "models_loaded": 1, "threshold_changed": 6}


def test_views_of_parts_come_to_every_worker_and_each_part_has_one_result_by_one_revision(
    shared: Server, picture_bytes: Callable[..., bytes]
) -> None:
    def recipe(revision: int) -> bytes:
        by_hand = {"image": 1.0 + revision, "pixel": 1e30}
        views = [{"name": one, "model": "parts", "thresholds": by_hand} for one in ("a", "b")]
        return json.dumps({"number": 7, "deadline_ms": 60_000, "views": views}).encode()

    picture = picture_bytes(100)
    with callers_of_all(shared.url, 4, 2) as clients:
        workers = set()
        for number in range(24):
            worker = clients[number % 4].ask("PUT", "/v1/recipes/nut", recipe(number + 1))
            assert worker[0] == 200
            workers.add(worker[1])
            path = f"/v1/parts/P{number}/views"
            first = clients[(number + 1) % 4].post(f"{path}/a?recipe=nut", picture)
            assert clients[number % 4].ask("PUT", "/v1/recipes/nut", recipe(1000))[0] == 200
            last = clients[(number + 2) % 4].post(f"{path}/b?recipe=nut", picture)
            thresholds = {one["inspection"]["threshold"] for one in (first, last)}
            assert thresholds == {2.0 + number}
            assert (first["result"], last["result"]["verdict"]) == (None, "good")
            assert first["revision"] == last["revision"] == 2 * number + 1
        assert len(workers) == 2
        eventually(lambda: sum(one["part"][:1] == "P" for one in parts_of(shared)) == 24)


def parts_of(server: Server) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = httpx.get(f"{server.url}/v1/parts").json()["parts"]
    return parts


def test_views_of_a_part_come_by_streams_of_different_workers(
    shared: Server, picture_bytes: Callable[..., bytes]
) -> None:
    by_hand = {"image": 1.0, "pixel": 1e30}
    names = [f"v{number}" for number in range(8)]
    views = [{"name": one, "model": "parts", "thresholds": by_hand} for one in names]
    body = {"number": 8, "deadline_ms": 60_000, "views": views}
    httpx.put(f"{shared.url}/v1/recipes/bolt", json=body).raise_for_status()
    asyncio.run(send_views(shared, picture_bytes(100), names))


async def send_views(server: Server, picture: bytes, names: list[str]) -> None:
    """Send each view by a stream of its own, all at once, and each of them twice."""
    address = server.url.replace("http", "ws", 1)

    async def sent(view: str) -> list[dict[str, Any]]:
        async with connect(f"{address}/v1/models/parts/stream", proxy=None) as stream:
            await stream.send('{"type": "hello"}')
            await stream.recv()
            shown = {"type": "view", "part": "A", "view": view, "recipe": "bolt"}
            for sequence in range(2):
                await stream.send(json.dumps(shown))
                await stream.send(pack_frame(sequence, 0, picture))
            return [dict(json.loads(await stream.recv())) for _ in range(2)]

    async with asyncio.timeout(60):
        heard = await asyncio.gather(*map(sent, names))
    answered = [one["view"] for one, _ in heard]
    assert {one["number"] for one in answered} == {answered[0]["number"]}
    (result,) = [one["result"] for one in answered if one["result"] is not None]
    assert (result["verdict"], len(result["views"])) == ("good", 8)
    assert {again["code"] for _, again in heard} <= {"view_taken", "part_ended"}


def answered_by_status(server: Server) -> int:
    answered: int = httpx.get(f"{server.url}/v1/status").json()["since_start"]["answered"]
    return answered


def test_streams_of_every_worker_are_listed_and_watched_from_any(
    server: Server, picture_bytes: Callable[..., bytes]
) -> None:
    asyncio.run(watch_each(server, picture_bytes()))


async def watch_each(server: Server, picture: bytes) -> None:
    address = server.url.replace("http", "ws", 1)

    async def hear(socket: Any) -> dict[str, Any]:
        return dict(json.loads(await socket.recv()))

    async with (
        asyncio.timeout(60),
        connect(f"{address}/v1/models/parts/stream", proxy=None) as one,
        connect(f"{address}/v1/models/parts/stream", proxy=None) as other,
    ):
        for stream in (one, other):
            await stream.send(json.dumps({"type": "hello"}))
            assert (await hear(stream))["type"] == "welcome"
        for sequence in range(4):
            async with httpx.AsyncClient() as asking:
                listed = (await asking.get(f"{server.url}/v1/streams")).json()["streams"]
            ids = sorted(stream["id"] for stream in listed)
            # Each worker has one of them: ids begin with the worker's letter.
            assert len({id[0] for id in ids}) == 2
            watched = f"{address}/v1/streams/{ids[sequence % 2]}/watch"
            async with connect(watched, proxy=None) as watch:
                assert (await hear(watch))["stream"]["id"] == ids[sequence % 2]
                for stream in (one, other):
                    await stream.send(pack_frame(sequence, 0, picture))
                    assert (await hear(stream))["type"] == "answer"
                assert (await hear(watch))["type"] == "frame"
                assert isinstance(await watch.recv(), bytes)


def test_a_stream_that_is_resumed_at_another_worker_begins_anew(shared: Server) -> None:
    address = f"{shared.url.replace('http', 'ws', 1)}/v1/models/parts/stream"

    async def hello(**wishes: Any) -> dict[str, Any]:
        async with asyncio.timeout(60), connect(address, proxy=None) as socket:
            await socket.send(json.dumps({"type": "hello", **wishes}))
            welcome = dict(json.loads(await socket.recv()))
            assert welcome["type"] == "welcome", welcome
            return welcome

    async def test() -> None:
        first = await hello()
        for others in range(8):
            # A connection goes to the worker with the fewest: to either, by how many are open.
            with callers(shared.url, others):
                again = await hello(session=first["session"])
            assert again["resumed"] == (again["session"] == first["session"])
            if again["session"][0] != first["session"][0]:
                assert not again["resumed"]
                return
        pytest.fail("every connection went to one worker")

    asyncio.run(test())


@dataclass(frozen=True)
class TlsServer:
    """A server of two workers that speaks TLS, and what its clients trust."""

    server: Server
    trusted: ssl.SSLContext

    @property
    def port(self) -> int:
        return int(self.server.url.rpartition(":")[2])


@pytest.fixture
def tls(
    bundle: Bundle, repository: Path, tmp_path: Path, start_server: StartServer
) -> Iterator[TlsServer]:
    authority = trustme.CA()
    pem = tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    options = ("--workers", "2", "--record", "none", "--tls-certificate", str(pem))
    with start_server(repository, *options) as server:
        eventually(lambda: said(server, READY) == 2)
        yield TlsServer(server, trusted)


def test_a_connection_of_tls_is_told_to_close_when_its_worker_is_replaced(
    tls: TlsServer, picture_bytes: Callable[..., bytes]
) -> None:
    client = HTTPSConnection("127.0.0.1", tls.port, context=tls.trusted, timeout=60)
    told = 0
    tls.server.process.send_signal(signal.SIGUSR2)
    while not said(tls.server, "all workers were replaced"):
        client.request("POST", INSPECT, picture_bytes())
        answer = client.getresponse()
        assert answer.status == 200 and answer.read()
        told += answer.getheader("connection") == "close"
    client.close()
    # Once for each worker at most: it went to the other one, which was replaced as well.
    assert 1 <= told <= 2


def test_a_handshake_that_has_begun_ends_though_its_worker_is_replaced(tls: TlsServer) -> None:
    with contextlib.ExitStack() as opened:
        silent: list[socket.socket] = []
        since_s = float("-inf")

        def others_serve() -> bool:
            nonlocal silent, since_s
            if time.monotonic() > since_s + 2:
                # A handshake may take ten seconds, and workers as long to start.
                address = ("127.0.0.1", tls.port)
                silent = [opened.enter_context(socket.create_connection(address)) for _ in range(4)]
                since_s = time.monotonic()
            return said(tls.server, READY) == 3

        tls.server.process.send_signal(signal.SIGUSR2)
        eventually(others_serve)
        for one in silent:
            with tls.trusted.wrap_socket(one, server_hostname="127.0.0.1") as connection:
                connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                assert connection.recv(12) == b"HTTP/1.1 200"
