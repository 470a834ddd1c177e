"""Lets in a few at a time: pictures that are large while they are worked on wait here."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from service.batching.priority_queue import Lanes
from service.domain import Priority
from service.errors import DeadlineExceededError


@dataclass(eq=False, slots=True)
class _Waiter:
    deadline_s: float
    arrived_s: float = field(default_factory=time.monotonic)
    turn: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Turns:
    """Turns for at most some at once; the line before the bulk, else first come, first served.

    Args:
        most: that may have a turn at the same time.
    """

    def __init__(self, most: int) -> None:
        self._free = most
        self._lanes: Lanes[_Waiter] = Lanes()

    @property
    def waiting(self) -> int:
        """How many have none yet."""
        return len(self._lanes)

    def ahead_of(self, priority: Priority) -> int:
        """How many of those go before one of this priority that comes now."""
        return self._lanes.ahead_of(priority)

    @contextlib.asynccontextmanager
    async def turn(self, priority: Priority, deadline_s: float) -> AsyncIterator[None]:
        """Wait for a turn and have it as long as the block lasts.

        Args:
            priority: see the class.
            deadline_s: on the monotonic clock; once it has passed, others go first.

        Raises:
            DeadlineExceededError: that happened.
        """
        if self._free:
            self._free -= 1
        else:
            await self._wait(_Waiter(deadline_s), priority)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, waiter: _Waiter, priority: Priority) -> None:
        self._lanes.append(waiter, priority)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            self._lanes.remove(waiter)
            turn = waiter.turn
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on()  # it came just as its owner left
            raise

    def _pass_on(self) -> None:
        while True:
            expired: list[_Waiter] = []
            chosen = self._lanes.take(1, time.monotonic(), expired)
            for waiter in expired:
                if not waiter.turn.done():
                    waiter.turn.set_exception(
                        DeadlineExceededError("the picture's turn came after its deadline")
                    )
            if not chosen:
                self._free += 1
                return
            if not chosen[0].turn.done():
                chosen[0].turn.set_result(None)
                return
