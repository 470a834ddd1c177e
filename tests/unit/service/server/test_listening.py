"""Servers that listen: over TLS, on a port of its own for metrics, and where they cannot."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
import uvicorn
from click.testing import CliRunner

from takt.cli import main
from takt.core.errors import ConfigurationError
from takt.parts.composing.drain import Drain
from takt.server.connections.closures import Closures
from takt.server.connections.descriptors import ConnectionLimits
from takt.server.connections.gate import ConnectionGate
from takt.server.connections.http_connection import HttpConnection
from takt.server.connections.open_messages import OpenMessages
from takt.server.connections.state import ConnectionState
from takt.server.listening import Listening, listening
from takt.server.run import make_tls_connections
from takt.server.server import Scraped, Server
from takt.server.tls import ServerTls
from takt.settings import Settings
from tests.tls import client_of, pair_of
from tests.unit.service.server.conftest import answer

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


def config_of(app, http: object = HttpConnection) -> uvicorn.Config:
    return uvicorn.Config(app, port=0, http=http, lifespan="off", log_config=None)  # type: ignore[arg-type]


def server_of(tls: ServerTls | None = None, scraped: Scraped | None = None) -> Server:
    gate = ConnectionGate(lambda: ConnectionLimits(9, 9), Closures(lambda reason: None))
    http = HttpConnection if tls is None else make_tls_connections(tls)
    return Server(
        config_of(answer, http=http),
        ConnectionState(gate, OpenMessages(1e6)),
        Drain(1.0),
        at_once,
        at_once,
        tls=tls,
        scraped=scraped,
    )


@asynccontextmanager
async def started(server: Server, sockets: Listening) -> AsyncIterator[list[int]]:
    """The ports of a server while it accepts connections."""
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup([*sockets.main])
    try:
        yield [one.sockets[0].getsockname()[1] for one in server.servers]
    finally:
        async with asyncio.timeout(60):
            await server.shutdown([*sockets.main])


async def ask(port: int, tls: ssl.SSLContext | None = None) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(LAST_GET)
    answered = await reader.read()
    writer.close()
    return answered.rpartition(b"\r\n\r\n")[2]


@pytest.mark.anyio
async def test_metrics_are_plain_on_a_port_of_their_own_beside_tls(
    tls: ServerTls, authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with listening(Settings(port=0, metrics_port=0)) as sockets:
        server = server_of(tls, Scraped(config_of(metrics), sockets.metrics))
        async with started(server, sockets) as (port, metrics_port):
            assert await ask(port, client_of(authority)) == b"ok"
            assert await ask(metrics_port) == b"metrics"
            assert f"running on https://127.0.0.1:{port} " in caplog.text
            assert f"metrics are on http://127.0.0.1:{metrics_port}" in caplog.text
    assert re.search(r"running on http:", caplog.text) is None


@pytest.mark.anyio
async def test_a_handshake_keeps_no_server_from_its_end(tls: ServerTls) -> None:
    server = server_of(tls)
    with listening(Settings(port=0)) as sockets:
        async with started(server, sockets) as (port,):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            while not server.server_state.handshakes:  # type: ignore[attr-defined]
                await asyncio.sleep(0)
    assert await reader.read() == b""
    writer.close()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else, which is this process, listens on."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one.getsockname()[1]


@pytest.mark.parametrize("option", ["--port", "--metrics-port", "--grpc-port"])
def test_a_taken_port_is_one_line_that_names_who_has_it_and_what_to_do(
    taken: int, tmp_path: Path, option: str
) -> None:
    if option == "--grpc-port":
        pytest.importorskip("grpc_health", reason="gRPC is an extra")
    others = ["--port", "0", "--repository", str(tmp_path / "not looked at")]
    refused = CliRunner().invoke(main, ["serve", *others, option, str(taken)])

    assert refused.exit_code == 1
    (line,) = refused.output.splitlines()
    assert f"port {taken} of 127.0.0.1 is taken by" in line
    assert f"give another {option}, or {option} 0" in line
    if sys.platform == "linux":
        assert f"(process {os.getpid()})" in line


@pytest.mark.parametrize(
    ("ports", "option"),
    [
        ({"port": 8500, "metrics_port": 8500}, "--metrics-port"),
        ({"port": 8500, "grpc_port": 8500}, "--grpc-port"),
        ({"port": 8501, "metrics_port": 8500, "grpc_port": 8500}, "--grpc-port"),
    ],
)
def test_one_port_cannot_be_both(ports: dict[str, int], option: str) -> None:
    with pytest.raises(ConfigurationError, match=f"both 8500; give another {option}"):
        listening(Settings(**ports)).__enter__()


def test_without_its_packages_the_port_of_grpc_is_refused_and_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "grpc_health.v1.health_pb2", None)
    others = ["--port", "0", "--repository", str(tmp_path / "not looked at")]
    refused = CliRunner().invoke(main, ["serve", *others, "--grpc-port", "0"])

    assert refused.exit_code == 1
    (line,) = refused.output.splitlines()
    assert "grpc_port needs gRPC" in line
    assert "pip install" in line and "grpcio-health-checking" in line


def test_the_port_of_grpc_is_kept_for_those_who_share_it_and_nobody_else() -> None:
    pytest.importorskip("grpc_health", reason="gRPC is an extra")
    with listening(Settings(port=0, grpc_port=0)) as sockets:
        host, _, port = sockets.rpc[0].rpartition(":")
        kept = host, int(port)
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            other.bind(kept)
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(kept)
        # Nobody would accept what came to it.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(kept)


@pytest.mark.parametrize(
    ("host", "complaint"),
    [
        ("192.0.2.1", "is no address of this machine; give --host"),
        ("no host", "is no address, and no name that is known here; give --host"),
    ],
)
def test_a_host_that_is_not_this_one_is_refused(host: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        listening(Settings(host=host, port=0)).__enter__()


def test_a_port_that_is_the_systems_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", bind)
    with pytest.raises(ConfigurationError, match=r"port 80 may not .* give --port 1024 or more"):
        listening(Settings(port=80)).__enter__()


def test_nobody_else_gets_a_port_while_the_server_starts_and_it_is_free_afterwards() -> None:
    with listening(Settings(port=0)) as sockets:
        port = sockets.main[0].getsockname()[1]
        with pytest.raises(ConfigurationError, match="taken"):
            listening(Settings(port=port)).__enter__()
    with listening(Settings(port=port)):
        pass
