"""The order of those who wait: the line before the bulk, and first come, first served in each."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from takt.core.domain import Priority


@dataclass(eq=False, slots=True)
class Waiter:
    """One that waits, and the future that its caller awaits; made on the event loop.

    Attributes:
        deadline_s: on the monotonic clock; once it has passed nobody wants the result.
        item: the work that it brings, if any.
        alone: whether it is taken without others.
        arrived_s: on the monotonic clock.
        future: ends the wait.
    """

    deadline_s: float = math.inf
    item: Any = None
    alone: bool = False
    arrived_s: float = field(default_factory=time.monotonic)
    future: asyncio.Future[Any] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class PriorityQueue:
    """Two queues in one: `bulk` moves only while `line` is empty.

    >>> async def order() -> list[str]:
    ...     queue = PriorityQueue()
    ...     queue.append(Waiter(item="an archive's picture"), "bulk")
    ...     queue.append(Waiter(item="a camera's picture"), "line")
    ...     return [waiter.item for waiter in queue.take(2, now_s=0.0, expired=[])]
    >>> asyncio.run(order())
    ["a camera's picture", "an archive's picture"]
    """

    def __init__(self) -> None:
        self._line: deque[Waiter] = deque()
        self._bulk: deque[Waiter] = deque()

    def __len__(self) -> int:
        """Waiters of both priorities."""
        return len(self._line) + len(self._bulk)

    @property
    def oldest_s(self) -> float:
        """When the one that waits longest arrived; infinity if none waits."""
        return min(
            (queue[0].arrived_s for queue in (self._line, self._bulk) if queue), default=math.inf
        )

    @property
    def earliest_deadline_s(self) -> float:
        """The first deadline of all that wait; infinity if none has one."""
        return min((waiter.deadline_s for waiter in (*self._line, *self._bulk)), default=math.inf)

    def ahead_of(self, priority: Priority) -> int:
        """Waiters that go before a newcomer of this priority."""
        return len(self._line) if priority == "line" else len(self)

    def append(self, waiter: Waiter, priority: Priority) -> None:
        """Queue a waiter."""
        (self._line if priority == "line" else self._bulk).append(waiter)

    def take(self, most: int, now_s: float, expired: list[Waiter]) -> list[Waiter]:
        """Take up to `most` whose deadline has not passed; the others met go to `expired`.

        One that is alone is taken by itself, when it is the first.
        """
        taken: list[Waiter] = []
        for queue in (self._line, self._bulk):
            while queue and len(taken) < most:
                if queue[0].alone and taken:
                    return taken
                waiter = queue.popleft()
                if waiter.deadline_s <= now_s:
                    expired.append(waiter)
                    continue
                taken.append(waiter)
                if waiter.alone:
                    return taken
        return taken

    def remove(self, waiter: Waiter) -> bool:
        """Take out one waiter; False if it is not here any more."""
        for queue in (self._line, self._bulk):
            if waiter in queue:
                queue.remove(waiter)
                return True
        return False

    def clear(self) -> list[Waiter]:
        """Take out everyone."""
        waiters = [*self._line, *self._bulk]
        self._line.clear()
        self._bulk.clear()
        return waiters
