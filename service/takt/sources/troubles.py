"""What is away, in lines: each trouble once, then rarely, and how long it was."""

from __future__ import annotations

from takt.sources.pacing import WatchClock

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


def in_words(seconds: float) -> str:
    """A time as people say it.

    >>> [in_words(time) for time in (0.04, 0.7, 30, 299.7, 3600)]
    ['0.1 s', '0.7 s', '30 s', '5 min', '60 min']
    """
    if 0 < seconds < 9.95:
        return f"{max(seconds, 0.05):.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
