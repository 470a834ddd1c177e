"""A connection's end of a session: what goes out next, and why it ends."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from enum import Enum, auto

from takt.streaming.outcomes import Outcome
from takt.streaming.statistics import StreamStatistics

Outgoing = Outcome | StreamStatistics


class Stop(Enum):
    """Why a connection must end that did not ask to."""

    SHUTDOWN = auto()
    """The server is closing: answer what was accepted, and go."""
    TAKEN_OVER = auto()
    """Another connection goes on with the session."""
    REVOKED = auto()
    """The key of the connection's caller was revoked or has expired."""


class Link:
    """Hands outcomes to one connection; made by `Session.attach`.

    Args:
        ready: outcomes to send first.

    Attributes:
        stopped: done when the connection must end.
    """

    def __init__(self, ready: Iterable[Outcome]) -> None:
        self.stopped: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        # One task waits for them, for which a queue of asyncio does twice as much.
        self._outgoing: deque[Outgoing | None] = deque()
        self._awaited: asyncio.Future[None] | None = None
        self._unsent = 0
        for outcome in ready:
            self.push(outcome)

    def __len__(self) -> int:
        """How many have not been sent yet."""
        return self._unsent

    def push(self, outgoing: Outgoing) -> None:
        """Send this after what waits already."""
        self._unsent += 1
        self._put(outgoing)

    def drained(self) -> None:
        """Say that nothing more will be pushed."""
        self._put(None)

    def stop(self, why: Stop) -> None:
        """End the connection; the first reason counts."""
        if not self.stopped.done():
            self.stopped.set_result(why)

    async def next(self) -> Outgoing | None:
        """Wait for what to send next; None once everything was sent and no more will come.

        One task calls it at a time.
        """
        while not self._outgoing:
            self._awaited = asyncio.get_running_loop().create_future()
            await self._awaited
        return self._outgoing.popleft()

    def sent(self) -> None:
        """Count one as sent; `next` gave it, and it is on its way."""
        self._unsent -= 1

    def _put(self, outgoing: Outgoing | None) -> None:
        self._outgoing.append(outgoing)
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)
