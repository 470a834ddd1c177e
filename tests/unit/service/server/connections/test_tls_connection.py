from __future__ import annotations

import asyncio
import hashlib
import json
import os
import ssl
from pathlib import Path

import pytest
import trustme
import websockets

from takt.server.connections.stages import HEADERS_IDLE_S, HEADERS_WITHIN_S, LINGER_S
from tests.tls import client_of, pair_of
from tests.unit.service.server.conftest import Run, answer, echo

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: takt\r\n\r\n"
LAST_GET = b"GET / HTTP/1.1\r\nHost: takt\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def context_of(folder: Path, authority: trustme.CA) -> ssl.SSLContext:
    certificate, key = pair_of(authority)
    path = folder / "tls.pem"
    path.write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> ssl.SSLContext:
    return context_of(tmp_path_factory.mktemp("tls"), authority)


@pytest.fixture(scope="module")
def client(authority: trustme.CA) -> ssl.SSLContext:
    return client_of(authority)


async def digest(scope, receive, send) -> None:
    """Answer with the digest of the body, and the scheme."""
    found = hashlib.sha256()
    more = True
    while more:
        message = await receive()
        found.update(message["body"])
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    body = f"{scope['scheme']} {found.hexdigest()}".encode()
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_large_body_comes_whole_over_each_version(
    running: Run, tls, authority: trustme.CA, version: ssl.TLSVersion
) -> None:
    client = client_of(authority)
    client.minimum_version = client.maximum_version = version
    body = bytes(range(256)) * 8_000
    head = b"POST / HTTP/1.1\r\nHost: takt\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    async with running(digest, tls=tls) as server:
        answered = await server.ask(head % len(body) + body, client)
        assert f"https {hashlib.sha256(body).hexdigest()}".encode() in answered
        await server.until(lambda: not len(server.gate))
        assert server.closed == []


async def test_a_large_answer_comes_whole_on_a_connection_that_is_used_again(
    running: Run, tls, client
) -> None:
    body = bytes(range(256)) * 8_000

    async def large(scope, receive, send) -> None:
        await answer(scope, receive, send, body=body)

    async with running(large, tls=tls) as server:
        reader, writer = await server.connect(client)
        for _ in range(3):
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(len(body)) == body
        assert len(server.gate) == 1
        writer.close()
        await server.until(lambda: not len(server.gate))


async def test_a_silent_client_is_counted_from_the_first_moment_and_ended_as_soon_as_a_plain_one(
    running: Run, tls
) -> None:
    async with running(tls=tls) as server:
        reader, writer = await server.connect()
        await server.until(lambda: len(server.gate))
        server.sweep(HEADERS_WITHIN_S - 1)
        assert not server.closed
        server.sweep(1.5)
        assert await reader.read() == b""
        assert server.closed == ["handshake"]
        assert len(server.gate) == 0
        writer.close()


async def test_the_time_of_the_handshake_is_taken_from_that_of_the_first_request(
    running: Run, tls, client
) -> None:
    async with running(tls=tls) as server:
        reader, writer = await server.connect(client)
        await server.until(lambda: server.state.connections)
        (connection,) = server.state.connections
        connection._seen_since_s -= HEADERS_WITHIN_S - 1
        server.sweep(1.5)
        assert await reader.read() == b""
        assert server.closed == ["slow_request"]
        writer.close()


async def test_a_silent_client_makes_room_for_another(running: Run, tls, client) -> None:
    async with running(most=1, tls=tls) as server:
        _, silent = await server.connect()
        await server.until(lambda: len(server.gate))
        await asyncio.sleep(HEADERS_IDLE_S)
        assert (await server.ask(LAST_GET, client)).endswith(b"ok")
        assert server.closed == ["evicted"]
        silent.close()


async def test_one_connection_too_many_is_ended_before_it_costs_a_handshake(
    running: Run, tls, client
) -> None:
    async with running(per_client=1, tls=tls) as server:
        reader, writer = await server.connect(client)
        writer.write(GET)
        await reader.readuntil(b"ok")
        with pytest.raises(OSError):
            await server.connect(client)
        assert server.closed == ["too_many_of_client"]
        writer.write(LAST_GET)
        assert (await reader.read()).endswith(b"ok")
        writer.close()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("at_once", [True, False])
async def test_plain_http_is_answered_that_the_port_speaks_https(
    running: Run, tls, method: str, at_once: bool
) -> None:
    body = bytes(300_000)
    head = f"{method} /v1/models HTTP/1.1\r\nHost: takt\r\nContent-Length: {len(body)}\r\n\r\n"
    sent = head.encode() + body
    async with running(tls=tls) as server:
        reader, writer = await server.connect()
        for part in [sent] if at_once else [sent[:2], sent[2:7], sent[7:]]:
            writer.write(part)
            await writer.drain()
        # Whole, though the client was still sending.
        answered, _, problem = (await reader.read()).partition(b"\r\n\r\n")
        assert answered.startswith(b"HTTP/1.1 400 ")
        assert b"connection: close" in answered
        found = json.loads(problem)
        assert found["code"] == "bad_request"
        assert "this port speaks HTTPS" in found["detail"]
        assert server.closed == ["handshake"]
        writer.close()
        await server.until(lambda: not len(server.gate) and not server.state.handshakes)


async def test_who_stays_after_plain_http_was_answered_is_ended_and_makes_room(
    running: Run, tls
) -> None:
    async with running(tls=tls) as server:
        reader, writer = await server.connect()
        writer.write(GET)
        assert b"this port speaks HTTPS" in await reader.read()
        server.sweep(LINGER_S + 0.1)
        await server.until(lambda: not len(server.gate))
        assert server.closed == ["handshake"]
        writer.close()


@pytest.mark.parametrize("hello", [b"\x16\x03\x01\x00\x05hello", b"\x00" * 4096])
async def test_what_is_no_handshake_is_ended_and_counted(running: Run, tls, hello: bytes) -> None:
    async with running(tls=tls) as server:
        reader, writer = await server.connect()
        writer.write(hello)
        assert b"HTTP" not in await reader.read()
        assert server.closed == ["handshake"]
        writer.close()


async def test_a_client_that_leaves_within_its_handshake_is_forgotten(running: Run, tls) -> None:
    async with running(tls=tls) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            await server.connect(client_of(trustme.CA()))
        await server.until(lambda: not len(server.gate) and not server.state.handshakes)
        assert server.closed == []


async def test_damaged_bytes_within_tls_end_the_connection(running: Run, tls, client) -> None:
    async with running(tls=tls) as server:
        reader, writer = await server.connect(client)
        writer.write(GET)
        await reader.readuntil(b"ok")
        # Past the client's own encryption.
        os.write(writer.get_extra_info("socket").fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))
        await server.until(lambda: server.closed == ["malformed"])
        await server.until(lambda: not len(server.gate))
        writer.close()


async def test_a_client_that_does_not_read_is_seen_as_without_tls(
    running: Run, tls, client
) -> None:
    async def large(scope, receive, send) -> None:
        await answer(scope, receive, send, body=bytes(30_000_000))

    async with running(large, tls=tls) as server:
        _, writer = await server.connect(client)
        writer.transport.pause_reading()
        writer.write(GET)
        await server.until(lambda: server.state.connections)
        (connection,) = server.state.connections
        await server.until(lambda: connection.transport.get_write_buffer_size() > 10_000_000)
        server.sweep()
        server.sweep(21.0)
        assert server.closed == ["unread_answer"]
        writer.close()


async def test_a_client_that_still_sends_reads_the_answer_that_closes_its_connection(
    running: Run, tls, client
) -> None:
    async def refuse(scope, receive, send) -> None:
        headers = [(b"content-length", b"2"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": b"no"})

    async with running(refuse, tls=tls) as server:
        reader, writer = await server.connect(client)
        writer.write(b"POST / HTTP/1.1\r\nHost: takt\r\nContent-Length: 100000000\r\n\r\n")
        writer.write(bytes(1_000_000))
        assert (await reader.readuntil(b"no")).startswith(b"HTTP/1.1 413 ")
        server.sweep()
        server.sweep(LINGER_S + 1)
        await server.until(lambda: not len(server.gate))
        writer.close()


async def test_a_stream_over_tls_takes_the_place_of_its_connection(
    running: Run, tls, client
) -> None:
    async with running(echo, tls=tls) as server:
        url = f"wss://127.0.0.1:{server.port}/"
        async with websockets.connect(url, ssl=client, compression=None) as stream:
            await stream.send("hello")
            assert await stream.recv() == "hello"
            frame = bytes(1_000_000)
            await stream.send(frame)
            assert await stream.recv() == frame
            assert len(server.gate) == 1
        await server.until(lambda: not len(server.gate))
        assert server.closed == []
