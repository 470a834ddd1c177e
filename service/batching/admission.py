"""Refuses at once what there is no room for, or what would wait in vain."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from service.batching.throughput import Pace
from service.domain import Priority
from service.errors import QueueFullError


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a newcomer finds before it.

    Attributes:
        held: items that take memory: they wait, are on their way, or are being finished.
        ahead: those of them that will run before the newcomer.
        before_s: expected until the newcomer can queue, such as for its decoding.
    """

    held: int = 0
    ahead: int = 0
    before_s: float = 0.0


NOTHING = Backlog()

_CERTAIN_SHARE = 0.8
"""Of a timeout, which an expected wait may take: the pace varies."""


class Crowd:
    """Counts items in a stage, by priority."""

    def __init__(self) -> None:
        self._line = 0
        self._bulk = 0

    def __len__(self) -> int:
        """Items of both priorities."""
        return self._line + self._bulk

    def ahead_of(self, priority: Priority) -> int:
        """Items that go before one of this priority that comes now."""
        return self._line if priority == "line" else len(self)

    @contextlib.contextmanager
    def one(self, priority: Priority) -> Iterator[None]:
        """One more, as long as the block lasts."""
        self._add(priority, 1)
        try:
            yield
        finally:
            self._add(priority, -1)

    def _add(self, priority: Priority, count: int) -> None:
        if priority == "line":
            self._line += count
        else:
            self._bulk += count


class Admission:
    """Decides by how many wait already, and by the pace at which they are answered.

    Args:
        room: how many may wait, as far as one of a priority is concerned.

    Attributes:
        pace: to be told what ran.
    """

    def __init__(self, room: Callable[[Priority], int]) -> None:
        self._room = room
        self.pace = Pace()

    def check(self, found: Backlog, engines: int, priority: Priority, timeout_s: float) -> None:
        """Refuse one more, if it must be.

        Args:
            found: what is before it.
            engines: that share the work.
            priority: of the newcomer.
            timeout_s: within which its answer is wanted.

        Raises:
            QueueFullError: as many wait as may, or at the measured pace the answer would come too
                late.
        """
        if found.held >= self._room(priority):
            raise QueueFullError(
                f"{found.held} pictures wait already; send this one again later, or raise "
                "max_queue_size or the number of servers",
                retry_after_s=_whole_seconds(self.pace.turn_in_s(found.held, engines)),
            )
        done_in_s = found.before_s
        if found.ahead:
            done_in_s += self.pace.done_in_s(found.ahead, engines)
        if done_in_s > _CERTAIN_SHARE * timeout_s:
            raise QueueFullError(
                f"{found.ahead} pictures come first, so that the answer would take some "
                f"{done_in_s * 1000:.0f} ms, more than the {timeout_s * 1000:.0f} ms of this "
                "request; send it again later, allow more time or add servers",
                retry_after_s=_whole_seconds(done_in_s - timeout_s),
            )


def _whole_seconds(seconds: float) -> int:
    return min(60, max(1, math.ceil(seconds)))
