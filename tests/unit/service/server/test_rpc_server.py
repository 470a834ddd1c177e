"""The port of gRPC: over TLS, with certificates that are exchanged, shared, and taken again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import trustme
import uvloop

pytest.importorskip("grpc_health", reason="gRPC is an extra")

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from takt.api.bodies import Bodies
from takt.api.oip.request import OipLimits
from takt.api.rpc.backend import RpcBackend
from takt.core.batching.memory import MemoryBudget
from takt.core.batching.uploads import Uploads
from takt.observing.instruments.metrics import Metrics
from takt.observing.journal import Journal
from takt.security.credentials import Credentials
from takt.security.guard import Guard
from takt.server.listening import Listening, listening
from takt.server.rpc_server import RpcServer
from takt.server.tls import ServerTls
from takt.settings import Settings
from tests.tls import pair_of

pytestmark = pytest.mark.anyio


def backend() -> RpcBackend:
    """One that has no models, and is ready."""
    metrics = Metrics()
    return RpcBackend(
        Mock(ready=True),
        Journal(metrics),
        Bodies(Uploads(), MemoryBudget()),
        OipLimits(1000, 16, 1000.0),
        Guard(Credentials(())),
        metrics,
        None,
    )


@pytest.fixture
def sockets() -> Iterator[Listening]:
    with listening(Settings(port=0, grpc_port=0)) as found:
        yield found


@asynccontextmanager
async def started(
    sockets: Listening, tls: ServerTls | None = None, **settings: Any
) -> AsyncIterator[str]:
    """The address of a server while it answers."""
    server = RpcServer(backend(), Settings(**settings), sockets.rpc, tls)
    await server.start()
    try:
        yield sockets.rpc[0]
    finally:
        await server.stop(60.0)


async def check(address: str, credentials: Any = None) -> int:
    """Ask for health, on a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    opened = (
        grpc.aio.insecure_channel(address, options)
        if credentials is None
        else grpc.aio.secure_channel(address, credentials, options)
    )
    async with opened as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=60
        )
    status: int = answer.status
    return status


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def trust(authority: trustme.CA, pair: tuple[bytes, bytes] | None = None) -> Any:
    certificate, key = pair or (None, None)
    return grpc.ssl_channel_credentials(authority.cert_pem.bytes(), key, certificate)


async def test_it_shows_the_certificate_and_a_new_one_once_the_files_change(
    sockets: Listening, authority: trustme.CA, tmp_path: Path
) -> None:
    path = tmp_path / "tls.pem"
    path.write_bytes(b"".join(pair_of(authority)))
    tls, other = ServerTls(Settings(tls_certificate=path)), trustme.CA()
    async with started(sockets, tls) as address:
        assert await check(address, trust(authority)) == 1
        with pytest.raises(grpc.aio.AioRpcError):
            await check(address, trust(other))
        with pytest.raises(grpc.aio.AioRpcError):
            await check(address)
        path.write_bytes(b"".join(pair_of(other)))
        tls.files.look()
        assert await check(address, trust(other)) == 1
        with pytest.raises(grpc.aio.AioRpcError):
            await check(address, trust(authority))


async def test_clients_show_a_certificate_where_they_have_to(
    sockets: Listening, authority: trustme.CA, tmp_path: Path
) -> None:
    path, client_ca = tmp_path / "tls.pem", tmp_path / "ca.pem"
    path.write_bytes(b"".join(pair_of(authority)))
    client_ca.write_bytes(authority.cert_pem.bytes())
    tls = ServerTls(Settings(tls_certificate=path, tls_client_ca=client_ca))
    async with started(sockets, tls) as address:
        assert await check(address, trust(authority, pair_of(authority, "line3"))) == 1
        with pytest.raises(grpc.aio.AioRpcError):
            await check(address, trust(authority))
        with pytest.raises(grpc.aio.AioRpcError):
            await check(address, trust(authority, pair_of(trustme.CA(), "stranger")))


async def test_several_servers_answer_on_one_port(sockets: Listening) -> None:
    async with started(sockets) as address:
        async with started(sockets) as same:
            assert same == address
            assert await check(address) == 1
        # The other one goes on.
        for _ in range(8):
            assert await check(address) == 1


async def test_connections_are_bounded(sockets: Listening) -> None:
    async with started(sockets, max_connections=3) as address:
        opened = [await asyncio.open_connection(*address.split(":")) for _ in range(4)]
        greetings = [await reader.read(9) for reader, _ in opened]
        assert [bool(one) for one in greetings] == [True, True, True, False]
        opened[0][1].close()
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(grpc.aio.AioRpcError):
                    assert await check(address) == 1
                    break
        for _, writer in opened:
            writer.close()


async def test_the_port_can_be_taken_again_at_once() -> None:
    with listening(Settings(port=0, grpc_port=0)) as sockets:
        port = int(sockets.rpc[0].rpartition(":")[2])
        async with started(sockets) as address:
            channel = grpc.aio.insecure_channel(address)
            stub = health_pb2_grpc.HealthStub(channel)
            await stub.Check(health_pb2.HealthCheckRequest())
    with listening(Settings(port=0, grpc_port=port)) as again:
        async with started(again) as address:
            assert await check(address) == 1
    await channel.close()


async def test_stopping_twice_or_in_a_hurry_ends(sockets: Listening) -> None:
    server = RpcServer(backend(), Settings(), sockets.rpc)
    await server.start()
    address = sockets.rpc[0]
    async with grpc.aio.insecure_channel(address) as channel:
        # A message that never comes would keep it for long.
        silent = channel.stream_unary("/grpc.health.v1.Health/Check")()
        await silent.wait_for_connection()
        stopping = asyncio.create_task(server.stop(3600.0))
        await asyncio.sleep(0)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        with pytest.raises(grpc.aio.AioRpcError):
            await silent
    await server.stop(0.0)


def h2_frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame of HTTP/2."""
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
    return head + payload


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + h2_frame(4, 0, 0, b"")
CHECK = b"/grpc.health.v1.Health/Check"


def call_by_hand(stream: int, path: bytes, part: bytes) -> bytes:
    """The bytes of an empty call, as no library of gRPC would send them."""
    headers = [
        *((b":method", b"POST"), (b":scheme", b"http"), (b":path", path)),
        *((b":authority", b"takt"), (b"content-type", b"application/grpc"), (b"te", b"trailers")),
        (b"x-takt-part", part),
    ]
    packed = b"".join(
        b"\0%c%b%c%b" % (len(name), name, len(value), value) for name, value in headers
    )
    return h2_frame(1, 4, stream, packed) + h2_frame(0, 1, stream, bytes(5))


@pytest.mark.parametrize("part", [b"A-\xc5", "A-Å".encode()])
async def test_texts_that_grpc_cannot_tell_apart_are_refused_without_a_traceback(
    sockets: Listening, part: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(sockets) as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(PREFACE + call_by_hand(1, CHECK, part))
        async with asyncio.timeout(60):
            answered = await reader.readuntil(b"x-request-id")
        assert b"grpc-status\x013" in answered  # INVALID_ARGUMENT
        assert b"the metadata x-takt-part is not ASCII" in answered
        writer.close()
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


def test_a_path_that_is_not_utf_8_ends_grpc_for_a_moment_only(
    sockets: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask_in_vain_and_again() -> None:
        async with started(sockets) as address:
            host, _, port = address.rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(PREFACE + call_by_hand(1, b"/\xc5", b"A-1"))
            async with asyncio.timeout(60):
                await reader.read()
                writer.close()
                await writer.wait_closed()
                while await check_or_refused(address) != health_pb2.HealthCheckResponse.SERVING:
                    await asyncio.sleep(0.01)

    # Of anyio's loop each failure is one of the test, and this one is gRPC's own.
    uvloop.run(ask_in_vain_and_again())
    (told,) = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert told.getMessage().startswith("gRPC has failed, and begins anew")
    assert not told.exc_info


async def check_or_refused(address: str) -> int | None:
    """As `check`; None while nobody listens."""
    try:
        return await check(address)
    except grpc.aio.AioRpcError:
        return None
