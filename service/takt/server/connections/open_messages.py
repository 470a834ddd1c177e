"""Messages of streams that are not whole yet: how many bytes they may take together."""

from __future__ import annotations

from typing import Protocol

AFTER_S = 5.0
"""Time from which a slow message makes room for others."""


class MessageHolder(Protocol):
    """A connection with a message that is not whole."""

    def message_pace(self, now_s: float) -> tuple[float, float]:
        """Seconds since its message began, and its bytes a second."""

    def give_up_message(self) -> None:
        """End the connection, as its message takes memory that others need."""


class OpenMessages:
    """The bytes of all messages that are not whole; the slowest makes room.

    >>> messages, one = OpenMessages(limit_bytes=100), object()
    >>> messages.hold(one, 60, now_s=0.0), messages.total_bytes
    (True, 60)
    >>> messages.release(one)
    >>> messages.total_bytes
    0

    Args:
        limit_bytes: of all together.

    Attributes:
        total_bytes: of all at this moment.
    """

    def __init__(self, limit_bytes: float) -> None:
        self.total_bytes = 0
        self._limit_bytes = limit_bytes
        self._held: dict[MessageHolder, int] = {}

    def hold(self, holder: MessageHolder, size: int, now_s: float) -> bool:
        """Note the bytes of a holder's message by now; False if there is no room for them."""
        self.total_bytes += size - self._held.get(holder, 0)
        self._held[holder] = size
        while self.total_bytes > self._limit_bytes:
            slowest = self._slowest(holder, now_s)
            if slowest is None:
                self.release(holder)
                return False
            self.release(slowest)
            slowest.give_up_message()
        return True

    def release(self, holder: MessageHolder) -> None:
        """Forget a message that is whole, or whose connection has ended."""
        self.total_bytes -= self._held.pop(holder, 0)

    def _slowest(self, but: MessageHolder, now_s: float) -> MessageHolder | None:
        paces = {one: one.message_pace(now_s) for one in self._held if one is not but}
        late = [one for one, (seconds, _) in paces.items() if seconds >= AFTER_S]
        return min(late, key=lambda one: paces[one][1], default=None)
