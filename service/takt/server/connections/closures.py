"""Connections that the server ended by itself: counted, and logged without a flood."""

from __future__ import annotations

import logging
from collections.abc import Callable

from takt.core.domain import CloseReason

LOG_EVERY_S = 10.0
"""Shortest time between two lines for the same reason."""

_MEANINGS: dict[CloseReason, str] = {
    "too_many": "max_connections are open",
    "too_many_of_client": "max_connections_per_client are open from the same address",
    "no_descriptor": "the process has no file descriptor left; raise its limit of open files",
    "evicted": "idle ones made room for others",
    "handshake": "the TLS handshake failed, or did not come whole in time",
    "slow_request": "the request did not come whole in time",
    "unread_answer": "the client did not read its answers",
    "headers_too_large": "the headers were too large",
    "malformed": "what came was no HTTP, or no text",
    "pipelined": "too many requests were sent ahead of their answers",
    "no_memory": "messages that were not whole took all the memory that they may",
    "chatter": "too many pings or other small messages came at once",
}

logger = logging.getLogger("takt.server")


class Closures:
    """Counts each, and logs one line for a row of equal ones.

    >>> counted = []
    >>> closures = Closures(counted.append)
    >>> closures.note("evicted", "10.0.0.7")
    >>> closures.report(now_s=0.0)
    >>> counted
    ['evicted']

    Args:
        count: called with the reason of each.
    """

    def __init__(self, count: Callable[[CloseReason], None]) -> None:
        self._count = count
        self._new: dict[CloseReason, int] = {}
        self._last_client: dict[CloseReason, str] = {}
        self._next_line_s: dict[CloseReason, float] = {}

    def note(self, reason: CloseReason, client: str) -> None:
        """Count one."""
        self._count(reason)
        self._new[reason] = self._new.get(reason, 0) + 1
        self._last_client[reason] = client

    def report(self, now_s: float) -> None:
        """Log what came since the last line, where that was long enough ago."""
        for reason, number in list(self._new.items()):
            if now_s < self._next_line_s.get(reason, now_s):
                continue
            del self._new[reason]
            self._next_line_s[reason] = now_s + LOG_EVERY_S
            logger.warning(
                "connections closed or refused: %d, the last one of %s: %s",
                number,
                self._last_client.pop(reason),
                _MEANINGS[reason],
            )
