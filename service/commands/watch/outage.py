"""Servers and cameras that are away: said once for each outage, and again when they are back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from service.commands.watch.pacing import WatchClock

if TYPE_CHECKING:
    from takt_client import RetryPolicy, TaktError

REMIND_EVERY_S = 300.0
"""Seconds between two lines on an outage that goes on."""


class Troubles:
    """Tells which troubles of an outage are worth a line: each kind at once, then a rare reminder.

    Args:
        clock: tells how long it lasts.
    """

    def __init__(self, clock: WatchClock) -> None:
        self._clock = clock
        self._since_s: float | None = None
        self._told_s = 0.0
        self._told: set[str] = set()

    @property
    def lasting_s(self) -> float:
        """Seconds since the outage began; 0 where there is none."""
        return 0.0 if self._since_s is None else self._clock.now_s() - self._since_s

    def line(self, trouble: str, delay_s: float, most_s: float, kind: str | None = None) -> str:
        """The line that an attempt in vain is worth; empty for none.

        Args:
            trouble: what is wrong.
            delay_s: wait before the next attempt.
            most_s: longest wait before an attempt.
            kind: another one is news; the trouble itself if there is none.
        """
        now_s = self._clock.now_s()
        if self._since_s is None:
            self._since_s = now_s
        kind = kind or trouble
        known = kind in self._told
        if known and now_s - self._told_s < REMIND_EVERY_S:
            return ""
        rarely = "" if self._told else f", then up to {in_words(most_s)} apart"
        lasting = f"; for {in_words(self.lasting_s)} now" if known else ""
        self._told.add(kind)
        self._told_s = now_s
        return f"{trouble}{lasting}; trying again in {in_words(delay_s)}{rarely}"

    def over(self) -> str:
        """How long the outage was, in words; the next trouble begins another one."""
        lasted = in_words(self.lasting_s)
        self._since_s = None
        self._told.clear()
        return lasted


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


def in_words(seconds: float) -> str:
    """A time as people say it.

    >>> [in_words(time) for time in (0.04, 0.7, 30, 299.7, 3600)]
    ['0.1 s', '0.7 s', '30 s', '5 min', '60 min']
    """
    if 0 < seconds < 9.95:
        return f"{max(seconds, 0.05):.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
