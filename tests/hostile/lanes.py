"""Connections that send what is broken and note what comes back."""

from __future__ import annotations

import asyncio
import struct
import time
from collections import Counter
from dataclasses import dataclass, field

import orjson

from takt.commands.bench.lean_http import Address, HttpPool, HttpResponse
from takt_client.errors import UnreachableError
from tests.hostile.rest_requests import Request
from tests.hostile.stream_sessions import CLOSE, TEXT, StreamSession, frame

ANSWER_WITHIN_S = 30.0
"""After this an answer counts as missing."""

QUIET_S = 0.15
"""A session in which nothing comes for so long has been answered as far as it will be."""

_CLOSED = 0
_MOST_NAMED = 20


@dataclass(slots=True)
class Outcomes:
    """What became of the inputs.

    Attributes:
        statuses: how many had each status, by protocol; 0 where the connection was closed.
        refusals_s: seconds until each refusal.
        slowest: names of refusals over a second.
        failed: names of inputs that got a 5xx.
        unanswered: names of inputs without an answer.
    """

    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    refusals_s: list[float] = field(default_factory=list)
    slowest: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Number of inputs."""
        return sum(sum(counts.values()) for counts in self.statuses.values())

    def note(self, protocol: str, name: str, status: int, seconds: float | None = None) -> None:
        """Add an input."""
        self.statuses.setdefault(protocol, Counter())[status] += 1
        if status >= 500:
            self.failed.append(f"{name}: {status}")
        elif status >= 400 and seconds is not None:
            self.refusals_s.append(seconds)
            if seconds > 1:
                self.slowest.append(f"{name}: {seconds:.1f} s")

    def miss(self, protocol: str, name: str) -> None:
        """Add an input without an answer."""
        self.note(protocol, name, _CLOSED)
        self.unanswered.append(name)

    def named(self) -> list[str]:
        """The inputs that went wrong, at most twenty of each kind."""
        kinds = (("5xx", self.failed), ("no answer", self.unanswered), ("slow", self.slowest))
        return [f"{kind}: {name}" for kind, names in kinds for name in names[:_MOST_NAMED]]


class Lane:
    """One caller with one connection at a time.

    Args:
        address: of the server.
        outcomes: notes what comes back.
    """

    def __init__(self, address: Address, outcomes: Outcomes) -> None:
        self._address = address
        self._outcomes = outcomes
        self._pool = HttpPool(address, 1, time.monotonic)

    def close(self) -> None:
        """Close its connection."""
        self._pool.close()

    async def ask(self, protocol: str, request: Request) -> None:
        """Send a request and note its answer."""
        started_s = time.monotonic()
        try:
            response = await self._exchange(request)
        except TimeoutError:
            self._outcomes.miss(protocol, request.name)
        except UnreachableError:
            if request.must_answer:
                self._outcomes.miss(protocol, request.name)
            else:
                self._outcomes.note(protocol, request.name, _CLOSED)
        else:
            seconds = response.ended_s - started_s
            self._outcomes.note(protocol, request.name, response.status, seconds)

    async def _exchange(self, request: Request) -> HttpResponse:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            if request.must_answer:
                try:
                    return await self._pool.ask(request.head, request.body)
                except UnreachableError:
                    # The server may have closed a kept connection just then.
                    return await self._pool.ask(request.head, request.body)
            # An end of the input is what makes a server answer half a head.
            return await self._alone(request)

    async def _alone(self, request: Request) -> HttpResponse:
        """Send something on a connection of its own, end it, and read what comes."""
        try:
            data = await converse(self._address, request.head + request.body)
        except OSError as error:
            raise UnreachableError(str(error)) from None
        if not data.startswith(b"HTTP/1.1 "):
            raise UnreachableError("closed")
        return HttpResponse(int(data[9:12]), b"", time.monotonic())

    async def stream(self, session: StreamSession) -> None:
        """Send a session and note what came of it: the worst status that it named."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                data = await converse(
                    self._address,
                    session.data,
                    handshake=session.handshake,
                    last=frame(CLOSE, b"\x03\xe8"),
                )
        except (TimeoutError, OSError):
            self._outcomes.miss("stream", session.name)
            return
        self._outcomes.note("stream", session.name, worst_status(data))


async def converse(
    address: Address, data: bytes, handshake: bytes = b"", last: bytes = b""
) -> bytes:
    """Send all at once, read until nothing comes, end the connection, and read to the end.

    Args:
        address: of the server.
        data: that is sent, once the handshake is answered.
        handshake: opens a WebSocket.
        last: sent before the end.

    Raises:
        OSError: the connection cannot be made.
    """
    reader, writer = await asyncio.open_connection(address.host, address.port)
    parts = []
    try:
        if handshake:
            writer.write(handshake)
            parts.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(data)
        while True:
            try:
                part = await asyncio.wait_for(reader.read(1 << 16), QUIET_S)
            except TimeoutError:
                break
            if not part:
                return b"".join(parts)
            parts.append(part)
            if _ends_with_close(part):
                break
        writer.write(last)
        if writer.can_write_eof():
            writer.write_eof()
        parts.append(await reader.read(-1))
    except (OSError, asyncio.IncompleteReadError):
        pass  # what came before the reset counts
    finally:
        writer.transport.abort()
    return b"".join(parts)


def _ends_with_close(data: bytes) -> bool:
    """Whether the last thing that came is the frame that closes a WebSocket."""
    at = data.rfind(bytes([0x80 | CLOSE]))
    return 0 <= at < len(data) - 1 and data[at + 1] == len(data) - at - 2


def worst_status(data: bytes) -> int:
    """The highest status in a session's answers; 500 where it was closed with 1011."""
    if not data.startswith(b"HTTP/1.1 "):
        return _CLOSED
    worst = int(data[9:12])
    if worst != 101:
        return worst
    worst, rest = 0, data.partition(b"\r\n\r\n")[2]
    while len(rest) >= 2:
        kind, length, at = rest[0] & 15, rest[1], 2
        if length == 126:
            length, at = struct.unpack_from(">H", rest, 2)[0], 4
        elif length == 127:
            length, at = struct.unpack_from(">Q", rest, 2)[0], 10
        body, rest = rest[at : at + length], rest[at + length :]
        if kind == CLOSE and body[:2] == struct.pack(">H", 1011):
            worst = 500
        elif kind == TEXT and len(body) == length:
            message = orjson.loads(body)
            worst = max(worst, message.get("status", 200))
    return worst
