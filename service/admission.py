"""Refuses at once what there is no room for, or what would wait in vain."""

from __future__ import annotations

import math
from collections.abc import Callable

from service.domain import Priority
from service.errors import QueueFullError
from service.pace import Pace


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

    def check(self, waiting: int, engines: int, priority: Priority, timeout_s: float) -> None:
        """Refuse one more, if it must be.

        Args:
            waiting: those before it.
            engines: that share the work.
            priority: of the newcomer.
            timeout_s: within which its answer is wanted.

        Raises:
            QueueFullError: as many wait as may, or at the measured pace the answer would come too
                late.
        """
        if waiting >= self._room(priority):
            raise QueueFullError(
                f"{waiting} pictures wait already; send this one again later, or raise "
                "max_queue_size or the number of servers",
                retry_after_s=_whole_seconds(self.pace.turn_in_s(waiting, engines)),
            )
        done_in_s = self.pace.done_in_s(waiting, engines) if waiting else 0.0
        if done_in_s > timeout_s:
            raise QueueFullError(
                f"{waiting} pictures wait already, so that the answer would take some "
                f"{done_in_s * 1000:.0f} ms, more than the {timeout_s * 1000:.0f} ms of this "
                "request; send it again later, allow more time or add servers",
                retry_after_s=_whole_seconds(done_in_s - timeout_s),
            )


def _whole_seconds(seconds: float) -> int:
    return min(60, max(1, math.ceil(seconds)))
