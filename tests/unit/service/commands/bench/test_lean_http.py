import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from takt.commands.bench.lean_http import (
    Address,
    HttpPool,
    parse_address,
    request_head,
)
from takt_client.errors import InvalidParameterError, UnreachableError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def against(peer: Peer, test: Callable[[HttpPool, Address], Awaitable[None]]) -> None:
    """Run a test against a server whose connections follow `peer`."""

    async def body() -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await peer(reader, writer)
            finally:
                writer.close()

        listening = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with asyncio.timeout(60), listening:
            address = Address("127.0.0.1", listening.sockets[0].getsockname()[1], False, "")
            pool = HttpPool(address, 2, asyncio.get_running_loop().time)
            try:
                await test(pool, address)
            finally:
                pool.close()

    asyncio.run(body())


def test_connections_are_used_again() -> None:
    connections = []

    async def peer(reader, writer) -> None:
        connections.append(writer)
        while await reader.readuntil(b"\r\n\r\n"):
            assert await reader.readexactly(4) == b"body"
            writer.write(OK)

    async def test(pool: HttpPool, address: Address) -> None:
        head = request_head(address, "POST", "/x", 4)
        for _ in range(3):
            response = await pool.ask(head, b"body")
            assert (response.status, response.body) == (200, b"hi")
        assert len(connections) == 1

    against(_until_closed(peer), test)


def _until_closed(peer: Peer) -> Peer:
    async def run(reader, writer) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):
            await peer(reader, writer)

    return run


def test_a_response_in_pieces_and_chunks_is_put_together() -> None:
    async def peer(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 4",
            b"29 Busy\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nto",
            b"\r\n3\r\no b\r\n",
            b"0\r\n\r\n",
        ):
            writer.write(piece)
            await writer.drain()

    async def test(pool: HttpPool, address: Address) -> None:
        response = await pool.ask(request_head(address, "GET", "/", 0), b"")
        assert (response.status, response.body) == (429, b"too b")

    against(_until_closed(peer), test)


def test_a_server_that_closes_after_its_answer_gets_a_new_connection() -> None:
    connections = []

    async def peer(reader, writer) -> None:
        connections.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    async def test(pool: HttpPool, address: Address) -> None:
        for _ in range(2):
            assert (await pool.ask(request_head(address, "GET", "/", 0), b"")).status == 200
        assert len(connections) == 2

    against(_until_closed(peer), test)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"", "closed by the server"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "closed by the server"),
        (b"SSH-2.0-OpenSSH\r\n", "no HTTP"),
    ],
)
def test_a_connection_that_breaks_fails_its_request(sent: bytes, said: str) -> None:
    async def peer(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)

    async def test(pool: HttpPool, address: Address) -> None:
        with pytest.raises(UnreachableError, match=said):
            await pool.ask(request_head(address, "GET", "/", 0), b"")

    against(_until_closed(peer), test)


def test_who_gives_up_never_gets_the_answer_to_another_request() -> None:
    asked = asyncio.Event()

    async def peer(reader, writer) -> None:
        if b"/second" in await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK)
        else:
            asked.set()
        await reader.read()

    async def test(pool: HttpPool, address: Address) -> None:
        first = asyncio.create_task(pool.ask(request_head(address, "GET", "/first", 0), b""))
        await asked.wait()
        first.cancel()
        await asyncio.wait({first})
        response = await pool.ask(request_head(address, "GET", "/second", 0), b"")
        assert response.body == b"hi"

    against(_until_closed(peer), test)


def test_no_server_is_a_failed_connection() -> None:
    async def peer(reader, writer) -> None:
        raise AssertionError

    async def test(pool: HttpPool, address: Address) -> None:
        nobody = HttpPool(Address("127.0.0.1", 1, False, ""), 1, lambda: 0.0)
        with pytest.raises(UnreachableError):
            await nobody.ask(request_head(address, "GET", "/", 0), b"")

    against(peer, test)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://cam-7", Address("cam-7", 80, False, "")),
        ("http://10.0.0.1:8000/", Address("10.0.0.1", 8000, False, "")),
        ("https://line/takt/", Address("line", 443, True, "/takt")),
        ("http://[::1]:8000", Address("::1", 8000, False, "")),
    ],
)
def test_urls_are_read(url: str, address: Address) -> None:
    assert parse_address(url) == address


def test_an_ipv6_address_is_in_brackets_in_the_host_header() -> None:
    assert Address("::1", 80, False, "").authority == "[::1]:80"


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://x", "http://", "http://x:y", "http://x/?a"]
)
def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(InvalidParameterError):
        parse_address(url)
