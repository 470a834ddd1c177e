"""Who is refused at once: whoever finds no room, and whoever would wait in vain."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from service.batching.stage import Stage
from service.domain import Priority
from service.errors import QueueFullError

_CERTAIN_SHARE = 0.8
"""Share of a timeout that an expected wait may take, since throughput varies."""


def room_for(priority: Priority, max_queue_size: int) -> int:
    """Pictures that may wait, as far as one of this priority is concerned: half of them for bulk.

    >>> room_for("line", 256), room_for("bulk", 256)
    (256, 128)
    """
    return max_queue_size if priority == "line" else (max_queue_size + 1) // 2


@dataclass(frozen=True, slots=True)
class Admission:
    """Decides by the pictures that wait already, and by how fast they are answered.

    A picture that is still being sent is none of them: see `Uploads`.

    >>> admission = Admission(1, preparing := Stage(), Stage(), Stage(), Stage())
    >>> with preparing.count("line"):
    ...     admission.check("line", timeout_s=30.0)
    Traceback (most recent call last):
    service.errors.QueueFullError: 1 pictures wait already; send this one again later, or raise \
max_queue_size or the number of servers

    Attributes:
        max_queue_size: pictures that may be in all the stages together; see `room_for`.
        preparing: pictures on their way to the queue.
        large: those among them that take long; no other waits for them there.
        running: its queue counts, and not what an engine has: that is nearly done.
        finishing: pictures that the engine has answered; they take room but go first.
        finishing_large: the large ones among them.
    """

    max_queue_size: int
    preparing: Stage
    large: Stage
    running: Stage
    finishing: Stage
    finishing_large: Stage = field(default_factory=Stage)

    def check(self, priority: Priority, timeout_s: float, *, large: bool = False) -> None:
        """Refuse one more picture, if it must be.

        Args:
            priority: of the newcomer.
            timeout_s: within which its answer is wanted.
            large: whether it takes long to prepare; such pictures may fill half of the queue.

        Raises:
            QueueFullError: as many pictures wait as may, or at the measured throughput the answer
                would come too late.
        """
        preparing, queue = self.large if large else self.preparing, self.running.queue
        throughput = self.running.throughput
        held = len(self.preparing) + len(self.large) + len(queue)
        held += len(self.finishing) + len(self.finishing_large)
        if held >= room_for("bulk" if large else priority, self.max_queue_size):
            raise QueueFullError(
                f"{held} pictures wait already; send this one again later, or raise "
                "max_queue_size or the number of servers",
                retry_after_s=_whole_seconds(throughput.turn_in_s(held)),
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
