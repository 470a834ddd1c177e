"""A server that is away: said once for each outage, and again when it is back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from service.commands.watch.pacing import WatchClock

if TYPE_CHECKING:
    from takt_client import RetryPolicy, TaktError

REMIND_EVERY_S = 300.0
"""Seconds between two lines on an outage that goes on."""


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
        self._clock = clock
        self._notice = notice
        self._away: set[OutageListener] = set()
        self._since_s = 0.0
        self._told_s = 0.0
        self._told: set[str] = set()
        self._dropped = dropped
        self._kept = kept
        self._dropped_before = 0

    def listener(self) -> OutageListener:
        """A listener of the client, for a stream."""
        return OutageListener(self)

    def waits(self, listener: OutageListener, error: TaktError, delay_s: float) -> None:
        """Says why the server is not asked now, unless that was said not long ago."""
        now_s = self._clock.now_s()
        if not self._away:
            self._since_s = now_s
            self._dropped_before = self._dropped()
        self._away.add(listener)
        # A server that is there again, but still loads, is news; the seconds of waiting are not.
        if error.code in self._told and now_s - self._told_s < REMIND_EVERY_S:
            return
        again = f"trying again in {_seconds(delay_s)}"
        if not self._told:
            again += f", then up to {_seconds(self._policy.max_delay_s)} apart"
        away = f" for {_seconds(now_s - self._since_s)}" if error.code in self._told else ""
        self._told.add(error.code)
        self._told_s = now_s
        reason = getattr(error, "reason", "")
        trouble = (
            f"cannot reach {self._url}{away}: {reason}"
            if reason
            else f"{self._url} does not take frames{away}: {error}"
        )
        self._notice(f"{trouble}; {again}")

    def succeeded(self, listener: OutageListener) -> None:
        """Says that the server is back, after how long, and what became of the frames meanwhile."""
        if not self._forget(listener):
            return
        parts = [f"{self._url} is back after {_seconds(self._clock.now_s() - self._since_s)}"]
        if dropped := self._dropped() - self._dropped_before:
            parts.append(f"{dropped} frames were dropped for newer ones (policy latest)")
        parts.append(self._kept())
        self._notice("; ".join(parts))

    def ended(self, listener: OutageListener) -> None:
        """Forgets a stream that has ended; nothing is said."""
        self._forget(listener)

    def _forget(self, listener: OutageListener) -> bool:
        """Whether that was the last stream without a server."""
        if listener not in self._away:
            return False
        self._away.remove(listener)
        if self._away:
            return False
        self._told.clear()
        return True


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


def _seconds(seconds: float) -> str:
    """A time as people say it.

    >>> [_seconds(time) for time in (0.04, 0.7, 30, 299.7, 3600)]
    ['0.1 s', '0.7 s', '30 s', '5 min', '60 min']
    """
    if 0 < seconds < 9.95:
        return f"{max(seconds, 0.05):.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
