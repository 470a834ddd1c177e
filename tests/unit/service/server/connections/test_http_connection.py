from __future__ import annotations

import asyncio
import json

import pytest

from takt.server.connections import gate, stages
from takt.server.connections.http_connection import HttpConnection
from takt.server.connections.stages import (
    HEADERS_WITHIN_S,
    LINGER_S,
    MAX_HEADER_BYTES,
    REST_WITHIN_S,
)
from tests.unit.service.server.conftest import Run, answer

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: takt\r\n\r\n"
LAST_GET = b"GET / HTTP/1.1\r\nHost: takt\r\nConnection: close\r\n\r\n"


def problem_in(answered: bytes) -> tuple[int, dict[str, object]]:
    head, _, body = answered.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert b"x-content-type-options: nosniff" in head.lower()
    return int(head.split()[1]), json.loads(body)


async def test_a_request_is_answered_and_its_connection_is_counted(running: Run) -> None:
    async with running() as server:
        reader, writer = await server.connect()
        writer.write(GET)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK\r\n")
        assert len(server.gate) == 1
        writer.close()
        await server.until(lambda: not len(server.gate))
        assert server.closed == []


@pytest.mark.parametrize("before", [b"", GET])
async def test_half_a_head_gets_408_after_its_time(running: Run, before: bytes) -> None:
    async with running() as server:
        reader, writer = await server.connect()
        if before:
            writer.write(before)
            await reader.readuntil(b"ok")
        writer.write(b"GET / HTTP/1.1\r\nX-Request-ID: part-7\r\nX-Slow: ")
        (connection,) = server.state.connections
        await server.until(lambda: connection.headers == [(b"x-request-id", b"part-7")])
        server.sweep()
        server.sweep(HEADERS_WITHIN_S - 1)
        assert not server.closed
        server.sweep(1.5)
        status, problem = problem_in(await reader.read())
        assert (status, problem["code"], problem["request_id"]) == (408, "slow_request", "part-7")
        assert server.closed == ["slow_request"]
        writer.close()


async def test_a_byte_a_second_of_a_head_does_not_buy_time(running: Run) -> None:
    async with running() as server:
        reader, writer = await server.connect()
        (connection,) = await _connections(server)
        for number, byte in enumerate(b"GET / HTTP/1.1\r\n"[: int(HEADERS_WITHIN_S)], 1):
            writer.write(bytes([byte]))
            await server.until(lambda number=number: connection._overhead_bytes == number)
            server.sweep(1.0)
        server.sweep(0.5)
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_a_connection_that_sends_nothing_is_closed_without_a_word(running: Run) -> None:
    async with running() as server:
        reader, writer = await server.connect()
        await _connections(server)
        server.sweep(HEADERS_WITHIN_S + 1)
        assert await reader.read() == b""
        assert server.closed == ["slow_request"]
        writer.close()


async def test_an_idle_connection_is_kept_alive(running: Run) -> None:
    async with running() as server:
        reader, writer = await server.connect()
        writer.write(GET)
        await reader.readuntil(b"ok")
        server.sweep()
        server.sweep(60.0)
        writer.write(LAST_GET)
        assert (await reader.read()).endswith(b"ok")
        assert server.closed == []
        writer.close()


async def test_a_request_at_work_has_no_deadline_here(running: Run) -> None:
    done = asyncio.Event()

    async def slow(scope, receive, send) -> None:
        await done.wait()
        await answer(scope, receive, send)

    async with running(slow) as server:
        reader, writer = await server.connect()
        writer.write(LAST_GET)
        await server.until(lambda: server.state.tasks)
        server.sweep()
        server.sweep(3600.0)
        done.set()
        assert (await reader.read()).endswith(b"ok")
        assert server.closed == []
        writer.close()


async def early(scope, receive, send) -> None:
    """Answer without reading the body."""
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": b"no"})


async def test_the_rest_of_a_body_that_was_answered_early_has_a_deadline(running: Run) -> None:
    async with running(early) as server:
        reader, writer = await server.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: takt\r\nContent-Length: 1099511627776\r\n\r\n")
        await reader.readuntil(b"no")
        writer.write(b"drop")
        (connection,) = server.state.connections
        await server.until(lambda: connection.timeout_keep_alive_task is None)
        server.sweep()
        server.sweep(REST_WITHIN_S + 1)
        assert await reader.read() == b""
        assert server.closed == ["slow_request"]
        writer.close()


async def test_a_connection_whose_body_was_answered_early_is_kept_alive_once_it_has_come(
    running: Run,
) -> None:
    async with running(early) as server:
        reader, writer = await server.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: takt\r\nContent-Length: 8\r\n\r\nhalf")
        await reader.readuntil(b"no")
        (connection,) = server.state.connections
        until_then = connection.timeout_keep_alive_task
        writer.write(b"rest")
        await server.until(lambda: connection.timeout_keep_alive_task not in (None, until_then))
        server.sweep()
        server.sweep(REST_WITHIN_S + 1)
        writer.write(LAST_GET)
        assert (await reader.read()).endswith(b"no")
        assert server.closed == []
        writer.close()


async def test_a_client_that_still_sends_reads_the_answer_that_closes_its_connection(
    running: Run,
) -> None:
    async def refuse(scope, receive, send) -> None:
        headers = [(b"content-length", b"2"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": b"no"})

    async with running(refuse) as server:
        reader, writer = await server.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: takt\r\nContent-Length: 1099511627776\r\n\r\n")
        writer.write(b"\0" * 4_000_000)
        await writer.drain()
        assert (await reader.read()).endswith(b"no")
        server.sweep()
        server.sweep(LINGER_S)
        await server.until(lambda: not len(server.gate))
        assert server.closed == []
        writer.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 2 * MAX_HEADER_BYTES,
        b"GET /" + b"a" * 2 * MAX_HEADER_BYTES,
        b"GET / HTTP/1.1\r\n" + b"X-Many: 1\r\n" * (2 * MAX_HEADER_BYTES // 11) + b"\r\n",
    ],
    ids=["value", "target", "many"],
)
async def test_headers_beyond_the_bound_get_431(running: Run, head: bytes) -> None:
    async with running() as server:
        status, problem = problem_in(await server.ask(head))
        assert (status, problem["code"]) == (431, "headers_too_large")
        assert server.closed == ["headers_too_large"]


@pytest.mark.parametrize(
    "flood", [b"X: ", b"X: 1\r\nX: "], ids=["one long trailer", "many trailers"]
)
async def test_trailers_are_bounded_as_headers_are(running: Run, flood: bytes) -> None:
    async with running() as server:
        head = b"POST / HTTP/1.1\r\nHost: takt\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        reader, writer = await server.connect()
        writer.write(head + flood)
        for _ in range(3):
            writer.write(b"a" * MAX_HEADER_BYTES)
        await reader.read()
        assert server.closed == ["headers_too_large"]
        writer.close()


async def test_requests_ahead_of_their_answers_are_bounded(running: Run) -> None:
    async def never(scope, receive, send) -> None:
        await asyncio.Event().wait()

    async with running(never) as server:
        assert await server.ask(GET * 200) == b""
        assert server.closed == ["pipelined"]


async def test_a_few_requests_ahead_of_their_answers_are_answered_in_order(running: Run) -> None:
    async with running() as server:
        assert (await server.ask(GET * 8 + LAST_GET)).count(b"HTTP/1.1 200 OK") == 9


async def test_what_is_no_http_gets_400_and_is_counted(running: Run) -> None:
    async with running() as server:
        assert (await server.ask(b"\x16\x03\x01 no http\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        assert server.closed == ["malformed"]


async def test_an_answer_that_is_not_read_is_given_up(running: Run) -> None:
    async def large(scope, receive, send) -> None:
        await answer(scope, receive, send, body=bytes(32_000_000))

    async with running(large) as server:
        _, writer = await server.connect()
        writer.transport.pause_reading()
        writer.write(GET)
        (connection,) = await _connections(server)
        await server.until(lambda: connection.transport.get_write_buffer_size())
        server.sweep()
        server.sweep(10.0)
        assert server.closed == []
        server.sweep(15.0)
        await server.until(lambda: not len(server.gate))
        assert server.closed == ["unread_answer"]
        writer.close()


async def test_one_connection_too_many_reads_503_and_a_quiet_one_makes_room(
    running: Run, monkeypatch
) -> None:
    async with running(most=2) as server:
        open_ones = [await server.connect() for _ in range(2)]
        await server.until(lambda: len(server.gate) == 2)
        status, problem = problem_in(await server.ask(GET))
        assert (status, problem["code"]) == (503, "too_many_connections")
        assert server.closed == ["too_many"]
        monkeypatch.setattr(stages, "HEADERS_IDLE_S", 0.0)
        monkeypatch.setattr(gate, "_SEARCH_EVERY_S", 0.0)
        assert (await server.ask(LAST_GET)).endswith(b"ok")
        assert server.closed == ["too_many", "evicted"]
        assert await open_ones[0][0].read() == b""
        for _, writer in open_ones:
            writer.close()


async def _connections(server) -> list[HttpConnection]:
    await server.until(lambda: len(server.gate))
    return list(server.state.connections)


@pytest.mark.parametrize("target", [b"/v1/parts/\xc5-18", b"/v1/parts?id=\xc5", "/Ü".encode()])
@pytest.mark.parametrize("upgrade", [b"", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"])
async def test_a_target_that_is_not_ascii_is_told_how_to_write_it(
    running: Run, target: bytes, upgrade: bytes
) -> None:
    async with running() as server:
        answered = await server.ask(b"GET %b HTTP/1.1\r\nHost: takt\r\n%b\r\n" % (target, upgrade))
        status, problem = problem_in(answered)
        assert (status, problem["code"]) == (422, "invalid_parameter")
        assert "UTF-8" in str(problem["detail"]) and "percent-encode" in str(problem["detail"])
        assert server.closed == ["malformed"]
