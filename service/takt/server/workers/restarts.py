"""How long a worker that has ended waits until it is started again."""

from __future__ import annotations

_STEADY_S = 30.0
"""A worker that has served for so long has not failed because of what it began with."""
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0


class Restarts:
    """Remembers how often each worker has failed soon after its start.

    >>> restarts = Restarts(1)
    >>> [restarts.wait_s(0, served_s=1.0) for _ in range(4)]
    [0.0, 0.5, 1.0, 2.0]
    >>> restarts.wait_s(0, served_s=60.0)
    0.0

    Args:
        workers: how many there are.
    """

    def __init__(self, workers: int) -> None:
        self._failures = [0] * workers

    def wait_s(self, slot: int, served_s: float) -> float:
        """The time to wait: none at first, and twice the last one each time after that."""
        if served_s >= _STEADY_S:
            self._failures[slot] = 0
        failed = self._failures[slot]
        self._failures[slot] += 1
        return 0.0 if failed == 0 else min(_FIRST_WAIT_S * 2.0 ** (failed - 1), _LONGEST_WAIT_S)
