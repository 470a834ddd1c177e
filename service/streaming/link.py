"""A connection's end of a session: what goes out next, and why it ends."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from enum import Enum, auto

from service.streaming.figures import Figures
from service.streaming.outcomes import Outcome

Outgoing = Outcome | Figures


class Stop(Enum):
    """Why a connection must end that did not ask to."""

    SHUTDOWN = auto()
    """The server is closing: answer what was accepted, and go."""
    TAKEN_OVER = auto()
    """Another connection goes on with the session."""


class Link:
    """Hands outcomes to one connection; made by `Session.attach`.

    Attributes:
        stopped: done when the connection must end.
    """

    def __init__(self, ready: Iterable[Outcome]) -> None:
        self.stopped: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        self._outgoing: deque[Outgoing] = deque(ready)
        self._changed = asyncio.Event()
        self._drained = False

    def __len__(self) -> int:
        """What has not been sent yet."""
        return len(self._outgoing)

    def push(self, outgoing: Outgoing) -> None:
        """Send this after what waits already."""
        self._outgoing.append(outgoing)
        self._changed.set()

    def drained(self) -> None:
        """Nothing more will be pushed."""
        self._drained = True
        self._changed.set()

    def stop(self, why: Stop) -> None:
        """End the connection; the first reason counts."""
        if not self.stopped.done():
            self.stopped.set_result(why)

    async def next(self) -> Outgoing | None:
        """Wait for what is to be sent next; None once everything was sent and no more will come."""
        while not self._outgoing:
            if self._drained:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._outgoing[0]

    def sent(self) -> None:
        """Let go what `next` gave, now that it is on its way."""
        self._outgoing.popleft()
