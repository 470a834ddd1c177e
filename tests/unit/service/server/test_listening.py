"""Servers that listen: over TLS, and on a port of its own for metrics."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
import uvicorn

from service.app import Drain
from service.server.connections.closures import Closures
from service.server.connections.descriptors import ConnectionLimits
from service.server.connections.gate import ConnectionGate
from service.server.connections.http_connection import HttpConnection
from service.server.connections.open_messages import OpenMessages
from service.server.connections.state import ConnectionState
from service.server.run import make_tls_connections
from service.server.server import Server
from service.server.tls import ServerTls
from service.settings import Settings
from tests.tls import client_of, pair_of
from tests.unit.service.server.conftest import answer

pytestmark = pytest.mark.anyio

LAST_GET = b"GET / HTTP/1.1\r\nHost: takt\r\nConnection: close\r\n\r\n"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, tmp_path: Path) -> ServerTls:
    path = tmp_path / "tls.pem"
    path.write_bytes(b"".join(pair_of(authority)))
    return ServerTls(Settings(tls_certificate=path))


async def at_once(timeout_s: float = 0.0) -> None:
    """Neither streams to close nor models to load."""


async def metrics(scope, receive, send) -> None:
    await answer(scope, receive, send, body=b"metrics")


def config_of(app, port: int = 0, http: object = HttpConnection) -> uvicorn.Config:
    return uvicorn.Config(
        app, host="127.0.0.1", port=port, http=http, lifespan="off", log_config=None
    )  # type: ignore[arg-type]


def server_of(tls: ServerTls | None = None, metrics_port: int | None = None) -> Server:
    gate = ConnectionGate(lambda: ConnectionLimits(9, 9), Closures(lambda reason: None))
    http = HttpConnection if tls is None else make_tls_connections(tls)
    return Server(
        config_of(answer, http=http),
        Drain(1.0),
        at_once,
        at_once,
        state=ConnectionState(gate, OpenMessages(1e6)),
        tls=tls,
        scraped=None if metrics_port is None else config_of(metrics, metrics_port),
    )


@asynccontextmanager
async def started(server: Server) -> AsyncIterator[list[int]]:
    """The ports of a server while it listens."""
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    try:
        yield [one.sockets[0].getsockname()[1] for one in server.servers]
    finally:
        async with asyncio.timeout(60):
            await server.shutdown()


async def ask(port: int, tls: ssl.SSLContext | None = None) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(LAST_GET)
    answered = await reader.read()
    writer.close()
    return answered.rpartition(b"\r\n\r\n")[2]


async def test_metrics_are_plain_on_a_port_of_their_own_beside_tls(
    tls: ServerTls, authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with started(server_of(tls, metrics_port=0)) as (port, metrics_port):
        assert await ask(port, client_of(authority)) == b"ok"
        assert await ask(metrics_port) == b"metrics"
        assert f"running on https://127.0.0.1:{port} " in caplog.text
        assert f"metrics are on http://127.0.0.1:{metrics_port}" in caplog.text
    assert re.search(r"running on http:", caplog.text) is None


async def test_a_handshake_keeps_no_server_from_its_end(tls: ServerTls) -> None:
    server = server_of(tls)
    async with started(server) as (port,):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not server.server_state.handshakes:  # type: ignore[attr-defined]
            await asyncio.sleep(0)
    assert await reader.read() == b""
    writer.close()


async def test_a_port_for_metrics_that_is_taken_ends_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = server_of(metrics_port=taken.getsockname()[1])
        with pytest.raises(SystemExit) as ended:
            async with started(server):
                pass
        assert ended.value.code == 3
        assert "metrics_port cannot be had" in caplog.text
        for one in server.servers:
            one.close()
