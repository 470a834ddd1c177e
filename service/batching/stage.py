"""One step of a picture's way: who waits for it, who is in it, and how fast it goes."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Iterator

from service.batching.priority_queue import PriorityQueue, Waiter, ahead_of
from service.batching.throughput import Throughput
from service.domain import Priority
from service.errors import DeadlineExceededError


class Stage:
    """Counts pictures, has them wait for a turn where few fit in, and knows its throughput.

    >>> async def prepare(stage: Stage) -> int:
    ...     async with stage.turn("line"):
    ...         return len(stage)
    >>> asyncio.run(prepare(Stage(at_once=4)))
    1

    Args:
        workers: that share the work.
        at_once: most pictures that have a turn at the same time.

    Attributes:
        queue: those who wait for a turn.
        throughput: of the work, where it is measured.
    """

    def __init__(self, workers: int = 1, at_once: float = math.inf) -> None:
        self.queue = PriorityQueue()
        self.throughput = Throughput(workers)
        self._free = at_once
        self._inside: dict[Priority, int] = {"line": 0, "bulk": 0}
        self._emptied = asyncio.Event()

    def __len__(self) -> int:
        """Pictures that are counted here, those that wait for a turn included."""
        return sum(self._inside.values())

    def ahead_of(self, priority: Priority) -> int:
        """Pictures counted here that go before a newcomer of this priority."""
        return ahead_of(priority, **self._inside)

    @contextlib.contextmanager
    def count(self, priority: Priority) -> Iterator[None]:
        """Count one more picture, as long as the block lasts."""
        self._inside[priority] += 1
        try:
            yield
        finally:
            self._leave(priority)

    @contextlib.asynccontextmanager
    async def turn(
        self, priority: Priority, deadline_s: float = math.inf, *, counted: bool = True
    ) -> AsyncIterator[None]:
        """Wait for a turn and keep it as long as the block lasts.

        Args:
            priority: the line goes before the bulk; else first come, first served.
            deadline_s: on the monotonic clock; once it has passed, others go first.
            counted: whether the picture is counted in the block, and not only while it waits.

        Raises:
            DeadlineExceededError: the turn would have come after the deadline.
        """
        self._inside[priority] += 1
        inside = True
        try:
            if self._free:
                self._free -= 1
            else:
                await self._wait(Waiter(deadline_s), priority)
            try:
                if not counted:
                    inside = False
                    self._leave(priority)
                yield
            finally:
                self._pass_on()
        finally:
            if inside:
                self._leave(priority)

    async def empty(self) -> None:
        """Wait until no picture is counted here."""
        if len(self):
            self._emptied.clear()
            await self._emptied.wait()

    def _leave(self, priority: Priority) -> None:
        self._inside[priority] -= 1
        if not len(self):
            self._emptied.set()

    async def _wait(self, waiter: Waiter, priority: Priority) -> None:
        self.queue.append(waiter, priority)
        try:
            await waiter.future
        except asyncio.CancelledError:
            self.queue.remove(waiter)
            turn = waiter.future
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on()  # it came just as its owner left
            raise

    def _pass_on(self) -> None:
        """Give a turn that is over to the next who waits."""
        while True:
            expired: list[Waiter] = []
            chosen = self.queue.take(1, time.monotonic(), expired)
            for waiter in expired:
                if not waiter.future.done():
                    waiter.future.set_exception(
                        DeadlineExceededError("the picture's turn came after its deadline")
                    )
            if not chosen:
                self._free += 1
                return
            if not chosen[0].future.done():
                chosen[0].future.set_result(None)
                return
