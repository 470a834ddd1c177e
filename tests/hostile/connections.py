"""Connections of an attacker, from an address of its own."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import cast

from takt.commands.bench.lean_http import Address
from tests.hostile.rest_requests import post
from tests.hostile.stream_sessions import HELLO, PING, frame, handshake

SOURCE = "127.0.0.2"
"""Address that attackers come from; good clients come from 127.0.0.1."""

DRIP_S = 1.0
"""A slow sender sends a byte this often."""

_STATUS_BYTES = 12
_REOPENED_PER_S = 200


class _Volley(asyncio.Protocol):
    """Sends a request and ends when the status of its answer is there."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._got = b""
        self._transport: asyncio.Transport | None = None
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._data)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if len(self._got) >= _STATUS_BYTES:
            self._end(int(self._got[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(0)

    def _end(self, status: int) -> None:
        if not self.status.done():
            self.status.set_result(status)
        if self._transport is not None:
            self._transport.abort()


async def send_once(address: Address, data: bytes, within_s: float) -> int:
    """Status of the answer to a request; 0 where the connection failed, -1 where none came."""
    loop = asyncio.get_running_loop()
    try:
        transport, volley = await loop.create_connection(
            lambda: _Volley(data), address.host, address.port, local_addr=(SOURCE, 0)
        )
    except OSError:
        return 0
    try:
        return await asyncio.wait_for(asyncio.shield(volley.status), within_s)
    except TimeoutError:
        return -1
    finally:
        transport.abort()


async def volleys(
    address: Address, requests: Sequence[bytes], every_s: float, ends_s: float, seen: Counter[int]
) -> None:
    """Send all requests at once, again and again: when all are answered, but not more often.

    Args:
        address: of the server.
        requests: of one volley.
        every_s: shortest time from one volley to the next.
        ends_s: time of the loop's clock at which no further volley begins.
        seen: counts the statuses.
    """
    loop = asyncio.get_running_loop()
    while (begins_s := loop.time()) < ends_s:
        # What is still unanswered at the end is given up.
        within_s = max(1.0, ends_s - begins_s)
        seen.update(
            await asyncio.gather(*(send_once(address, data, within_s) for data in requests))
        )
        await asyncio.sleep(max(0.0, begins_s + every_s - loop.time()))


class _Held(asyncio.Protocol):
    """Stays open for as long as the server lets it."""

    def __init__(self, begin: bytes, drip: Callable[[], bytes], lost: Callable[[], None]) -> None:
        self._begin = begin
        self._drip = drip
        self._lost = lost
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._begin)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._lost()

    def drip(self) -> None:
        if self.transport is not None and (data := self._drip()):
            self.transport.write(data)


Kind = tuple[bytes, Callable[[], bytes]]
"""What a connection begins with, and what it sends each second from then on."""


def _nothing() -> bytes:
    return b""


def headers_only(model: str) -> Kind:
    """A picture that is announced and never comes, for an hour."""
    path = f"/v1/models/{model}/inspect?timeout_ms=3600000"
    return post(path, bytes(100_000)), _nothing


def slow_kinds(model: str) -> list[Kind]:
    """Connections that are slow in every place where one can be slow."""
    inspect = post(f"/v1/models/{model}/inspect", bytes(100_000))
    threshold = post(f"/v1/models/{model}/threshold", bytes(200)).replace(b"POST", b"PUT", 1)
    infer = post(f"/v2/models/{model}/infer", bytes(100_000))
    open_stream = handshake(model)

    def a_byte() -> bytes:
        return b"a"

    return [
        (b"", _nothing),
        (b"POST /v1/mod", _nothing),
        (inspect[:-2] + b"X: ", a_byte),
        (inspect, a_byte),
        (threshold, a_byte),
        (infer, a_byte),
        (open_stream[:-2], _nothing),
        (open_stream, _nothing),
    ]


def ping_flood(model: str) -> Kind:
    """A stream that sends 2,000 pings a second."""
    return handshake(model), lambda: frame(PING, b"x" * 100) * 2000


def silent_stream(model: str) -> Kind:
    """A stream that says hello and nothing more."""
    return handshake(model), lambda: HELLO


async def hold(
    address: Address, kinds: Sequence[Kind], count: int, ends_s: float, seen: Counter[str]
) -> None:
    """Keep so many connections open, and open another one for each that is closed.

    Args:
        address: of the server.
        kinds: of connections, taken in turn.
        count: how many are to be open.
        ends_s: time of the loop's clock at which all are closed.
        seen: counts what became of them, and the most that were open.
    """
    loop = asyncio.get_running_loop()
    held: set[_Held] = set()
    rng = random.Random(15)

    async def another() -> None:
        def lost() -> None:
            held.discard(one)
            seen["closed by the server"] += 1

        one = _Held(*rng.choice(list(kinds)), lost)
        try:
            await loop.create_connection(
                lambda: one, address.host, address.port, local_addr=(SOURCE, 0)
            )
        except OSError:
            seen["not taken"] += 1
            return
        seen["taken"] += 1
        if one.transport is not None:
            held.add(one)

    drips_s = loop.time() + DRIP_S
    while loop.time() < ends_s:
        missing = min(count - len(held), _REOPENED_PER_S // 4)
        await asyncio.gather(*(another() for _ in range(missing)))
        seen["most open"] = max(seen["most open"], len(held))
        if loop.time() >= drips_s:
            drips_s += DRIP_S
            for one in tuple(held):
                one.drip()
        await asyncio.sleep(0.25)
    closed_so_far = seen["closed by the server"]
    for one in tuple(held):
        if one.transport is not None:
            one.transport.abort()
    await asyncio.sleep(0.1)
    seen["closed by the server"] = closed_so_far
