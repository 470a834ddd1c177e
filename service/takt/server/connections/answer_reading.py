"""Whether a client reads its answers: what waits in a connection's write buffer, and how long."""

from __future__ import annotations

import asyncio

PROGRESS_WITHIN_S = 20.0
"""Longest time in which a client may read nothing of an answer that waits for it."""
READ_WITHIN_S = 120.0
"""Longest time for reading one answer."""


class AnswerReading:
    """Watches one connection's write buffer; looked at about once a second.

    >>> class Transport:
    ...     def get_write_buffer_size(self): return 4096
    >>> reading = AnswerReading()
    >>> reading.unread_bytes(Transport(), now_s=0.0), reading.is_late(now_s=0.5)
    (4096, False)
    >>> reading.unread_bytes(Transport(), now_s=30.0), reading.is_late(now_s=30.0)
    (4096, True)
    """

    __slots__ = ("_bytes", "_progress_s", "_since_s")

    def __init__(self) -> None:
        self._bytes = 0
        self._since_s = self._progress_s = 0.0

    def unread_bytes(self, transport: asyncio.WriteTransport, now_s: float) -> int:
        """Gives the bytes that the client has not taken yet."""
        left = transport.get_write_buffer_size()
        # A next answer is written only once the one before has nearly gone.
        if left > self._bytes:
            self._since_s = now_s
        if left != self._bytes:
            self._progress_s = now_s
        self._bytes = left
        return left

    def is_late(self, now_s: float) -> bool:
        """Whether the client has not read for too long."""
        return self._bytes > 0 and (
            now_s >= self._progress_s + PROGRESS_WITHIN_S or now_s >= self._since_s + READ_WITHIN_S
        )
