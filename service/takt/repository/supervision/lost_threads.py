"""Threads that hang in engines: a process cannot end them, and too many of them end the process."""

from __future__ import annotations

import asyncio
import logging

logger = logging.getLogger("takt.repository")


class LostThreads:
    """The lost threads of the whole process; used on one event loop.

    Args:
        most: so many at the same time are too many.

    Attributes:
        too_many: set once there are too many; the process is to drain and end.
    """

    def __init__(self, most: int) -> None:
        self.too_many = asyncio.Event()
        self._most = most
        self._lost: set[asyncio.Future[None]] = set()

    def __len__(self) -> int:
        """Threads that hang at this moment."""
        return len(self._lost)

    def __contains__(self, ended: object) -> bool:
        """Whether the thread that this future tells of hangs."""
        return ended in self._lost

    def add(self, ended: asyncio.Future[None]) -> None:
        """Count a thread as lost until it ends."""
        if ended.done():
            return
        self._lost.add(ended)
        ended.add_done_callback(self._lost.discard)
        if len(self._lost) >= self._most and not self.too_many.is_set():
            logger.critical(
                "%d threads hang in engines, so the process drains and ends, to be started anew",
                len(self._lost),
            )
            self.too_many.set()
