"""One step of a picture's way: who waits for it, who is in it, and how fast it goes."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Iterator

from takt.core.batching.priority_queue import PriorityQueue, Waiter
from takt.core.batching.throughput import Throughput
from takt.core.domain import Priority
from takt.core.errors import DeadlineExceededError


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
        inside: pictures that are counted here, those that wait for a turn included.
        queue: those who wait for a turn.
        throughput: of the work, where it is measured.
    """

    def __init__(self, workers: int = 1, at_once: float = math.inf) -> None:
        self.inside = 0
        self.queue = PriorityQueue()
        self.throughput = Throughput(workers)
        self._free = at_once
        self._bulk = 0
        self._emptied = asyncio.Event()

    def __len__(self) -> int:
        """See `inside`, which costs less to read."""
        return self.inside

    def ahead_of(self, priority: Priority) -> int:
        """Pictures counted here that go before a newcomer of this priority."""
        return self.inside if priority == "bulk" else self.inside - self._bulk

    def enter(self, priority: Priority) -> None:
        """Count one more picture, until it leaves."""
        self.inside += 1
        self._bulk += priority == "bulk"

    def leave(self, priority: Priority) -> None:
        """Count one picture less."""
        self.inside -= 1
        self._bulk -= priority == "bulk"
        if not self.inside:
            self._emptied.set()

    @contextlib.contextmanager
    def count(self, priority: Priority) -> Iterator[None]:
        """Count one more picture, as long as the block lasts."""
        self.enter(priority)
        try:
            yield
        finally:
            self.leave(priority)

    def turn(
        self, priority: Priority, deadline_s: float = math.inf, *, counted: bool = True
    ) -> StageTurn:
        """Wait for a turn and keep it as long as the block lasts.

        Args:
            priority: the line goes before the bulk; else first come, first served.
            deadline_s: on the monotonic clock; a turn that comes later is none.
            counted: whether the picture is counted in the block, and not only while it waits.

        Raises:
            DeadlineExceededError: the turn would have come after the deadline.
        """
        return StageTurn(self, priority, deadline_s, counted)

    async def empty(self) -> None:
        """Wait until no picture is counted here."""
        if len(self):
            self._emptied.clear()
            await self._emptied.wait()

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


class StageTurn:
    """A turn, for an `async with`; made by `Stage.turn`.

    Not a generator, which would take three times as long for each picture.
    """

    __slots__ = ("_counted", "_deadline_s", "_priority", "_stage")

    def __init__(self, stage: Stage, priority: Priority, deadline_s: float, counted: bool) -> None:
        self._stage = stage
        self._priority = priority
        self._deadline_s = deadline_s
        self._counted = counted

    async def __aenter__(self) -> None:
        stage, priority = self._stage, self._priority
        stage.enter(priority)
        try:
            if stage._free:
                stage._free -= 1
            else:
                await stage._wait(Waiter(self._deadline_s), priority)
        except BaseException:
            stage.leave(priority)
            raise
        if not self._counted:
            stage.leave(priority)

    async def __aexit__(self, *_: object) -> None:
        self._stage._pass_on()
        if self._counted:
            self._stage.leave(self._priority)
