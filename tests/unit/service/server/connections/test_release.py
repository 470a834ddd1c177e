"""A connection goes on in another process without its client noticing, or stays where it is."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from takt.server.connections.http_connection import HttpConnection
from tests.unit.service.server.conftest import Run, answer

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: takt\r\n\r\n"


class OtherProcess:
    """Takes connections, or has no room for them."""

    def __init__(self, *, room: bool = True) -> None:
        self.room = room
        self.taken: list[socket.socket] = []

    def take(self, connection: socket.socket) -> bool:
        if self.room:
            self.taken.append(connection.dup())
        return self.room


@pytest.fixture
def other() -> Iterator[OtherProcess]:
    made = OtherProcess()
    yield made
    for one in made.taken:
        one.close()


def only(server) -> HttpConnection:
    (connection,) = server.state.connections
    assert isinstance(connection, HttpConnection)
    return connection


async def test_a_connection_that_waits_goes_on_with_whoever_takes_it(
    running: Run, other: OtherProcess
) -> None:
    async with running(answer) as server:
        reader, writer = await server.connect()
        writer.write(GET)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        await server.until(lambda: only(server).release(other.take))
        await server.until(lambda: not len(server.gate))
        # Sent when nobody reads any more here; the client sees one connection all the time.
        writer.write(GET)
        (connection,) = other.taken
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(connection, 100) == GET
        await loop.sock_sendall(connection, b"HTTP/1.1 204 No Content\r\n\r\n")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 204")
        writer.close()


async def moved_here(server, other: OtherProcess) -> HttpConnection:
    """The connection that was given away, given back after an answer."""
    moved = HttpConnection(server.config, server.state, {})
    moved.answered = True
    await asyncio.get_running_loop().connect_accepted_socket(lambda: moved, other.taken.pop())
    return moved


async def test_a_connection_that_another_process_has_answered_on_is_kept_alive_here(
    running: Run, other: OtherProcess
) -> None:
    async with running(answer) as server:
        reader, writer = await server.connect()
        await server.until(lambda: len(server.gate) and only(server).release(other.take))
        await server.until(lambda: not len(server.gate))
        moved = await moved_here(server, other)
        server.sweep()
        server.sweep(60.0)
        assert server.closed == []
        writer.write(GET)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        moved.timeout_keep_alive_handler()
        assert await reader.read() == b""
        writer.close()


async def test_a_connection_that_was_admitted_by_another_process_is_not_refused_here(
    running: Run, other: OtherProcess
) -> None:
    async with running(answer, most=1) as server:
        reader, writer = await server.connect()
        await server.until(lambda: len(server.gate) and only(server).release(other.take))
        await server.until(lambda: not len(server.gate))
        _, another = await server.connect()
        await server.until(lambda: len(server.gate))
        await moved_here(server, other)
        writer.write(GET)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        writer.close()
        another.close()


async def test_a_connection_stays_where_nobody_takes_it(running: Run) -> None:
    full = OtherProcess(room=False)
    async with running(answer) as server:
        reader, writer = await server.connect()
        await server.until(lambda: len(server.gate))
        assert not only(server).release(full.take)
        writer.write(GET)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHo", id="half a head"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: takt\r\nContent-Length: 9\r\n\r\nhalf", id="rest"),
    ],
)
async def test_a_connection_in_the_middle_of_a_request_stays(
    running: Run, other: OtherProcess, sent: bytes
) -> None:
    answered = asyncio.Event()

    async def early(scope, receive, send) -> None:
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": b"no"})
        answered.set()

    async with running(early) as server:
        _, writer = await server.connect()
        writer.write(sent)
        await writer.drain()
        if b"POST" in sent:
            await answered.wait()
        else:
            await server.until(lambda: only(server).scope is not None)
        assert not only(server).release(other.take)
        assert other.taken == []
        writer.close()


async def test_a_busy_connection_goes_on_elsewhere_once_its_request_is_answered(
    running: Run, other: OtherProcess
) -> None:
    may_answer = asyncio.Event()

    async def late(scope, receive, send) -> None:
        await may_answer.wait()
        await answer(scope, receive, send)

    async with running(late) as server:
        reader, writer = await server.connect()
        writer.write(GET)
        await server.until(lambda: len(server.gate) and only(server).cycle is not None)
        server.state.give_back = lambda connection: connection.release(other.take)
        assert not only(server).release(other.take)
        may_answer.set()
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        await server.until(lambda: other.taken)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                assert await reader.read(1) == b"", "the connection was closed"
        assert not reader.at_eof()
        writer.close()
