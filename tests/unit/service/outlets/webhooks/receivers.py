"""Receivers of webhooks that tests run on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    """An answer as it is sent."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Posted:
    """What came."""

    request: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Keeps what is posted, and answers each with the next of its answers, the last for all others.

    Attributes:
        answers: raw answers; empty bytes close the connection without one.
        posted: what came.
        connections: how many were made.
    """

    answers: list[bytes] = field(default_factory=lambda: [OK])
    posted: list[Posted] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    before_answer: Callable[[], Awaitable[object]] | None = None
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                pairs = (line.partition(": ") for line in head[1:] if line)
                headers = {name.lower(): value for name, _, value in pairs}
                body = await reader.readexactly(int(headers["content-length"]))
                self.posted.append(Posted(head[0], headers, body))
                said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if self.before_answer is not None:
                    await self.before_answer()
                if not said:
                    break
                writer.write(said)
                await writer.drain()

    @contextlib.asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
        """Listen on a free port of loopback."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for one in self._serving:
                one.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)
            # A transport is closed by the loop's next turn.
            await asyncio.sleep(0)
