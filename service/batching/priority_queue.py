"""The queue before the engines: two lanes, those of the line before those of the bulk."""

from __future__ import annotations

import math
from collections import deque
from typing import Generic, Protocol, TypeVar

from service.domain import Priority


class Waiting(Protocol):
    """What waits in a lane."""

    @property
    def arrived_s(self) -> float:
        """When it was put there, on the monotonic clock."""

    @property
    def deadline_s(self) -> float:
        """After which nobody wants its result, likewise."""


Item = TypeVar("Item", bound=Waiting)


class Lanes(Generic[Item]):
    """First come, first served within a lane; `bulk` moves only while `line` is empty."""

    def __init__(self) -> None:
        self._line: deque[Item] = deque()
        self._bulk: deque[Item] = deque()

    def __len__(self) -> int:
        """Items in both lanes."""
        return len(self._line) + len(self._bulk)

    @property
    def oldest_s(self) -> float:
        """When the one that waits longest arrived; infinity if none waits."""
        return min(
            (lane[0].arrived_s for lane in (self._line, self._bulk) if lane), default=math.inf
        )

    @property
    def earliest_deadline_s(self) -> float:
        """The first deadline of all that wait; infinity if none has one."""
        lanes = (self._line, self._bulk)
        return min((item.deadline_s for lane in lanes for item in lane), default=math.inf)

    def ahead_of(self, priority: Priority) -> int:
        """Items that go before one of this priority that comes now."""
        return len(self._line) if priority == "line" else len(self)

    def append(self, item: Item, priority: Priority) -> None:
        """Queue an item."""
        (self._line if priority == "line" else self._bulk).append(item)

    def take(self, most: int, now_s: float, expired: list[Item]) -> list[Item]:
        """Take up to `most` items whose deadline has not passed; the others met go to `expired`."""
        taken: list[Item] = []
        for lane in (self._line, self._bulk):
            while lane and len(taken) < most:
                item = lane.popleft()
                (taken if item.deadline_s > now_s else expired).append(item)
        return taken

    def remove(self, item: Item) -> bool:
        """Take out one item; False if it is not here any more."""
        for lane in (self._line, self._bulk):
            if item in lane:
                lane.remove(item)
                return True
        return False

    def clear(self) -> list[Item]:
        """Take out everything."""
        items = [*self._line, *self._bulk]
        self._line.clear()
        self._bulk.clear()
        return items
