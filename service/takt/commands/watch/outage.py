"""Servers that are away: said once for each outage, and again when they are back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from takt.sources.pacing import WatchClock
from takt.sources.troubles import Troubles

if TYPE_CHECKING:
    from takt_client import RetryPolicy, TaktError


class Outage:
    """Says that a server is away, why, and that it is back; streams to it tell by a listener each.

    An outage is said once, and not once for each stream. It is over with the last of them.

    >>> from takt_client import RetryPolicy
    >>> from takt_client.errors import UnreachableError
    >>> policy = RetryPolicy(deadline_s=3600, max_delay_s=10)
    >>> clock = WatchClock(lambda: 0.0)
    >>> outage = Outage("http://line", policy, clock, print, lambda: 0, lambda: "all is kept")
    >>> listener = outage.listener()
    >>> listener.waits(UnreachableError("", "nothing listens there"), 0.7)
    cannot reach http://line: nothing listens there; trying again in 0.7 s, then up to 10 s apart
    >>> listener.waits(UnreachableError("", "nothing listens there"), 1.6)
    >>> listener.succeeded()
    http://line is back after 0 s; all is kept

    Args:
        url: URL of the server, as people know it.
        policy: the client's, for the longest wait.
        clock: tells how long it is away.
        notice: prints a line.
        dropped: number of frames so far that newer ones replaced before they were sent.
        kept: what becomes of the other frames, in words.
    """

    def __init__(
        self,
        url: str,
        policy: RetryPolicy,
        clock: WatchClock,
        notice: Callable[[str], None],
        dropped: Callable[[], int],
        kept: Callable[[], str],
    ) -> None:
        self._url = url
        self._policy = policy
        self._notice = notice
        self._away: set[OutageListener] = set()
        self._troubles = Troubles(clock)
        self._dropped = dropped
        self._kept = kept
        self._dropped_before = 0

    def listener(self) -> OutageListener:
        """A listener of the client, for a stream."""
        return OutageListener(self)

    def waits(self, listener: OutageListener, error: TaktError, delay_s: float) -> None:
        """Says why the server is not asked now, unless that was said not long ago."""
        if not self._away:
            self._dropped_before = self._dropped()
        self._away.add(listener)
        reason = getattr(error, "reason", "")
        if reason:
            trouble = f"cannot reach {self._url}: {reason}"
        else:
            trouble = f"{self._url} does not take frames: {error}"
        # By the code: the same text with another number in it is no news.
        line = self._troubles.line(trouble, delay_s, self._policy.max_delay_s, error.code)
        if line:
            self._notice(line)

    def succeeded(self, listener: OutageListener) -> None:
        """Says that the server is back, after how long, and what became of the frames meanwhile."""
        if not self._was_last(listener):
            return
        parts = [f"{self._url} is back after {self._troubles.over()}"]
        if dropped := self._dropped() - self._dropped_before:
            parts.append(f"{dropped} frames were dropped for newer ones (policy latest)")
        parts.append(self._kept())
        self._notice("; ".join(parts))

    def ended(self, listener: OutageListener) -> None:
        """Forgets a stream that has ended; nothing is said."""
        if self._was_last(listener):
            self._troubles.over()

    def _was_last(self, listener: OutageListener) -> bool:
        """Forgets a stream without a server; whether none is left."""
        if listener not in self._away:
            return False
        self._away.remove(listener)
        return not self._away


class OutageListener:
    """Hears for one stream when its client tries again, and when it succeeded.

    Args:
        outage: what all streams to the server share.
    """

    def __init__(self, outage: Outage) -> None:
        self._outage = outage

    def waits(self, error: TaktError, delay_s: float) -> None:
        """The stream is not open, and is tried again after `delay_s`."""
        self._outage.waits(self, error, delay_s)

    def succeeded(self) -> None:
        """The stream is open again."""
        self._outage.succeeded(self)

    def close(self) -> None:
        """The stream ended, with or without a server."""
        self._outage.ended(self)
