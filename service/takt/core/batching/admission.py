"""Who is refused at once: whoever finds no room, and whoever would wait in vain."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from takt.core.batching.stage import Stage
from takt.core.domain import Priority
from takt.core.errors import QueueFullError

_WANTS_FOR_S = 10.0
"""Time for which a caller who asked once counts as one who wants places."""

_CERTAIN_SHARE = 0.8
"""Share of a timeout that an expected wait may take, since throughput varies."""


def room_for(priority: Priority, max_queue_size: int) -> int:
    """Pictures that may wait, as far as one of this priority is concerned: half of them for bulk.

    >>> room_for("line", 256), room_for("bulk", 256)
    (256, 128)
    """
    return max_queue_size if priority == "line" else (max_queue_size + 1) // 2


class Shares:
    """How many places of a queue each caller may have, while others want some as well.

    >>> shares = Shares()
    >>> for caller in ("line3", "office", "office"):
    ...     shares.asks(caller)
    >>> shares.of_each(256)
    128

    Args:
        clock: gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # By caller, when it asked last; the latest last.
        self._asked_s: dict[str, float] = {}
        self._held: dict[str, int] = {}

    def asks(self, caller: str) -> None:
        """Note that a caller wants a place; it counts for the next seconds."""
        now_s, asked_s = self._clock(), self._asked_s
        if caller in asked_s and len(asked_s) == 1:
            asked_s[caller] = now_s
            return
        asked_s.pop(caller, None)
        asked_s[caller] = now_s
        while asked_s[first := next(iter(asked_s))] < now_s - _WANTS_FOR_S:
            del asked_s[first]

    @property
    def contested(self) -> bool:
        """Whether several callers want places."""
        return len(self._asked_s) > 1

    def of_each(self, places: int) -> int:
        """The equal part of so many places that each caller has who wants some."""
        return math.ceil(places / len(self._asked_s))

    def held_by(self, caller: str) -> int:
        """Places that a caller has, those at the engine included."""
        return self._held.get(caller, 0)

    def take(self, caller: str) -> None:
        """Count one place more for a caller; `leave` gives it back."""
        self._held[caller] = self._held.get(caller, 0) + 1

    def leave(self, caller: str) -> None:
        """Count one place less."""
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]


@dataclass(frozen=True, slots=True)
class Admission:
    """Decides by the pictures that wait already, and by how fast they are answered.

    A picture that is still being sent is none of them: see `Uploads`.

    >>> admission = Admission(1, preparing := Stage(), Stage(), Stage(), Stage())
    >>> with preparing.count("line"):
    ...     admission.check("line", timeout_s=30.0)
    Traceback (most recent call last):
    takt.core.errors.QueueFullError: 1 pictures wait already; send this one again later, or \
raise max_queue_size or the number of servers

    Attributes:
        max_queue_size: pictures that may be in all the stages together; see `room_for`.
        preparing: pictures on their way to the queue.
        large: those among them that take long; no other waits for them there.
        running: its queue counts, and not what an engine has: that is nearly done.
        finishing: pictures that the engine has answered; they take room but go first.
        finishing_large: the large ones among them.
        shares: of the callers. One caller alone may have all places. Where several ask, the second
            half of them is for those who have less than an equal part.
    """

    max_queue_size: int
    preparing: Stage
    large: Stage
    running: Stage
    finishing: Stage
    finishing_large: Stage = field(default_factory=Stage)
    shares: Shares = field(default_factory=Shares)

    def check(
        self,
        priority: Priority,
        timeout_s: float,
        *,
        large: bool = False,
        caller: str | None = None,
    ) -> None:
        """Refuse one more picture, if it must be.

        Args:
            priority: of the newcomer.
            timeout_s: within which its answer is wanted.
            large: whether it takes long to prepare; such pictures may fill half of the queue.
            caller: who sends it; None where that does not matter.

        Raises:
            QueueFullError: as many pictures wait as may, of all or of this caller, or at the
                measured throughput the answer would come too late.
        """
        preparing, queue = self.large if large else self.preparing, self.running.queue
        throughput = self.running.throughput
        held = self.preparing.inside + self.large.inside + len(queue)
        held += self.finishing.inside + self.finishing_large.inside
        if caller is not None:
            self.shares.asks(caller)
        if not held:
            return
        places = room_for("bulk" if large else priority, self.max_queue_size)
        if held >= places:
            raise QueueFullError(
                f"{held} pictures wait already; send this one again later, or raise "
                "max_queue_size or the number of servers",
                retry_after_s=_whole_seconds(throughput.turn_in_s(held)),
            )
        if caller is not None and self.shares.contested and 2 * held >= places:
            own = self.shares.held_by(caller)
            if own >= self.shares.of_each(places):
                raise QueueFullError(
                    f"{own} pictures of this caller wait already, and others want places as well; "
                    "send this one again later, or raise max_queue_size or the number of servers",
                    retry_after_s=_whole_seconds(throughput.turn_in_s(own)),
                )
        ahead = preparing.ahead_of(priority) + queue.ahead_of(priority)
        prepared_in_s = preparing.throughput.done_in_s(preparing.queue.ahead_of(priority))
        done_in_s = prepared_in_s + throughput.done_in_s(ahead)
        if done_in_s > _CERTAIN_SHARE * timeout_s:
            raise QueueFullError(
                f"{ahead} pictures come first, so that the answer would take some "
                f"{done_in_s * 1000:.0f} ms, more than the {timeout_s * 1000:.0f} ms of this "
                "request; send it again later, allow more time or add servers",
                retry_after_s=_whole_seconds(done_in_s - timeout_s),
            )


def _whole_seconds(seconds: float) -> int:
    return min(60, max(1, math.ceil(seconds)))
