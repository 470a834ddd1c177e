"""A request that another process passes on is answered, and its connection ends with the answer."""

from __future__ import annotations

import asyncio
import socket

import pytest

from takt.server.connections.http_connection import HttpConnection
from tests.unit.service.server.conftest import Run, Running, answer

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: takt\r\n\r\n"


async def passed_on(
    server: Running,
) -> tuple[HttpConnection, asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection as from another process, and the other process's end."""
    theirs, ours = socket.socketpair()
    connection = HttpConnection(server.config, server.state, {})
    connection.asked_by = ("10.0.0.7", 4711), "https"
    await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, ours)
    reader, writer = await asyncio.open_connection(sock=theirs)
    return connection, reader, writer


async def test_its_connection_ends_with_the_answer_and_its_client_is_who_asked(
    running: Run,
) -> None:
    seen = []

    async def note(scope, receive, send) -> None:
        seen.append((scope["client"], scope["scheme"]))
        await answer(scope, receive, send)

    async with running(note) as server:
        _, reader, writer = await passed_on(server)
        writer.write(GET)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert (b"connection: close" in head.lower(), body) == (True, b"ok")
        assert seen == [(("10.0.0.7", 4711), "https")]
        writer.close()


async def test_it_is_answered_though_the_server_ends_before_it_was_read(running: Run) -> None:
    async with running(answer) as server:
        connection, reader, writer = await passed_on(server)
        connection.shutdown()
        writer.write(GET)
        assert (await reader.read()).endswith(b"ok")
        writer.close()


async def test_it_is_given_to_no_other_process(running: Run) -> None:
    async with running(answer) as server:
        connection, _, writer = await passed_on(server)
        assert connection.stays
        assert not connection.release(lambda released: True)
        writer.close()
