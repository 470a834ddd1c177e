"""How long a service that ends still waits for what it accepted."""

from __future__ import annotations

import time
from collections.abc import Callable


class Drain:
    """One span of time for everything that closes, one after another.

    Args:
        timeout_s: its length.
        clock: seconds that never go back.
    """

    def __init__(self, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._deadline_s: float | None = None

    def left_s(self) -> float:
        """Seconds that are left of it, at least 0; it begins when this is asked first."""
        now_s = self._clock()
        if self._deadline_s is None:
            self._deadline_s = now_s + self._timeout_s
        return max(0.0, self._deadline_s - now_s)
