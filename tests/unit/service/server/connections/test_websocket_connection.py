from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from takt.server.connections.websocket_connection import (
    HANDSHAKE_WITHIN_S,
    MAX_HELLO_BYTES,
    MESSAGE_WITHIN_S,
    MIN_BYTES_PER_S,
    MOST_CHATTER,
)
from tests.unit.service.server.conftest import Run, Running, echo

pytestmark = pytest.mark.anyio

PING = bytes([0x89, 0x80]) + b"mask"
EMPTY_PART = bytes([0x00, 0x80]) + b"mask"


def join(server: Running, **options: object) -> connect:
    return connect(
        f"ws://127.0.0.1:{server.port}/",
        ping_interval=None,
        compression=None,
        close_timeout=0.05,
        **options,
    )


async def hello(client: ClientConnection) -> None:
    await client.send("hello")
    assert await client.recv() == "hello"


async def ended(client: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosedError) as caught:
        while True:
            await client.recv()
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


async def test_a_stream_counts_as_one_connection_until_its_end(running: Run) -> None:
    async with running(echo) as server:
        async with join(server) as client:
            await hello(client)
            await client.send(b"\0" * 300_000)
            assert len(await client.recv()) == 300_000
            assert len(server.gate) == 1
            server.sweep()
            server.sweep(3600.0)
            await hello(client)
        await server.until(lambda: not len(server.gate))
        assert server.closed == []


async def test_a_flood_of_pings_ends_with_1008_and_is_not_answered(running: Run) -> None:
    async with running(echo) as server, join(server) as client:
        await hello(client)
        client.transport.write(PING * 200_000)
        code, reason = await ended(client)
        assert code == 1008
        assert "pings" in reason
        assert server.closed == ["chatter"]


async def test_parts_without_content_are_a_flood_too(running: Run) -> None:
    async with running(echo) as server, join(server) as client:
        await hello(client)
        client.transport.write(bytes([0x02, 0x80]) + b"mask" + EMPTY_PART * 1000)
        assert (await ended(client))[0] == 1008


async def test_pings_now_and_then_are_answered(running: Run) -> None:
    async with running(echo) as server, join(server) as client:
        for _ in range(MOST_CHATTER // 2):
            await (await client.ping())
        assert server.closed == []


@pytest.mark.parametrize("parts", [(b"\xff",), (b"\xe2\x82", b"\x28")])
async def test_a_text_that_is_no_utf8_ends_with_1007_and_no_traceback(
    running: Run, parts: tuple[bytes, ...], caplog
) -> None:
    async with running(echo) as server, join(server) as client:
        await hello(client)
        for number, part in enumerate(parts, 1):
            first = (1 if number == 1 else 0) | (0x80 if number == len(parts) else 0)
            client.transport.write(bytes([first, 0x80 | len(part)]) + bytes(4) + part)
        assert (await ended(client))[0] == 1007
        assert server.closed == ["malformed"]
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_hello_is_short(running: Run) -> None:
    async with running(echo) as server, join(server) as client:
        await client.send(b"\0" * 16 * MAX_HELLO_BYTES)
        assert (await ended(client))[0] == 1008
        assert server.closed == ["chatter"]


async def test_a_message_by_drops_ends_with_1008(running: Run) -> None:
    async with running(echo) as server, join(server) as client:
        await hello(client)
        client.transport.write(bytes([0x82, 0xFF]) + (1_000_000).to_bytes(8) + b"mask" + b"\0")
        (connection,) = server.state.connections
        await server.until(lambda: connection._scanner.in_message)
        server.sweep()
        server.sweep(MESSAGE_WITHIN_S - 1)
        assert server.closed == []
        server.sweep(2.0)
        assert (await ended(client))[0] == 1008
        assert server.closed == ["slow_request"]


async def test_a_large_message_at_a_fair_rate_has_its_time(running: Run) -> None:
    async with running(echo) as server, join(server) as client:
        await hello(client)
        (connection,) = server.state.connections
        client.transport.write(bytes([0x82, 0xFF]) + (10_000_000).to_bytes(8) + b"mask")
        sent = 0
        await server.until(lambda: connection._scanner.in_message)
        server.sweep()
        for _ in range(6):
            client.transport.write(bytes(20 * MIN_BYTES_PER_S))
            sent += 20 * MIN_BYTES_PER_S
            await server.until(lambda sent=sent: connection._scanner.message_bytes == sent)
            server.sweep(10.0)
        assert server.closed == []


async def test_messages_that_are_not_whole_take_no_more_than_they_may(running: Run) -> None:
    async with (
        running(echo, message_bytes=200_000) as server,
        join(server) as slow,
        join(server) as quick,
    ):
        for client in (slow, quick):
            await hello(client)
        head = bytes([0x82, 0xFF]) + (190_000).to_bytes(8) + b"mask"
        slow.transport.write(head + bytes(150_000))
        messages = next(iter(server.state.connections))._open_messages
        await server.until(lambda: messages.total_bytes == 150_000)
        quick.transport.write(head + bytes(100_000))
        assert (await ended(quick))[0] == 1013
        assert server.closed == ["no_memory"]
        slow.transport.write(bytes(40_000))
        assert len(await slow.recv()) == 190_000
        assert messages.total_bytes == 0


async def test_a_handshake_that_uvicorn_cannot_read_is_closed(running: Run) -> None:
    many = b"".join(b"X-%d: 1\r\n" % number for number in range(300))
    head = b"GET / HTTP/1.1\r\nHost: takt\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    async with running(echo) as server:
        reader, writer = await server.connect()
        writer.write(head + many + b"\r\n")
        await server.until(lambda: len(server.gate))
        await asyncio.sleep(0)
        server.sweep(HANDSHAKE_WITHIN_S + 1)
        await reader.read()
        await server.until(lambda: not len(server.gate))
        writer.close()


async def test_answers_that_are_not_read_end_the_stream(running: Run) -> None:
    async def flood(scope, receive, send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            await send({"type": "websocket.send", "bytes": bytes(8_000_000)})

    async with running(flood) as server, join(server, max_size=None) as client:
        client.transport.pause_reading()
        (connection,) = server.state.connections
        await server.until(lambda: connection.transport.get_write_buffer_size())
        server.sweep()
        server.sweep(25.0)
        await server.until(lambda: not len(server.gate))
        assert server.closed == ["unread_answer"]


async def test_a_stream_too_many_is_refused_before_its_handshake(running: Run) -> None:
    async with running(echo, most=1) as server, join(server) as client:
        await hello(client)
        with pytest.raises(InvalidStatus) as caught:
            await join(server)
        assert caught.value.response.status_code == 503
        await hello(client)
        assert server.closed == ["too_many"]
