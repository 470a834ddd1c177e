"""The time in which a server ends."""

from __future__ import annotations

import time
from collections.abc import Callable


class Drain:
    """The time that is left at shutdown for everything that closes, one after another.

    >>> drain = Drain(30.0, clock=lambda: 5.0)
    >>> drain.left_s()
    30.0

    Args:
        timeout_s: length of the whole time.
        clock: gives seconds that never go back.
    """

    def __init__(self, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._deadline_s: float | None = None

    def left_s(self) -> float:
        """Seconds that are left, at least 0; the time begins with the first call."""
        now_s = self._clock()
        if self._deadline_s is None:
            self._deadline_s = now_s + self._timeout_s
        return max(0.0, self._deadline_s - now_s)
