"""How long a batch may run, and which batch has run for longer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from takt.core.batching.worker import Worker


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Bounds of what an engine may do; constants, but for tests.

    Attributes:
        least_s: no batch is given up sooner.
        first_s: nor is one of a size that has not run yet, as a GPU prepares for each.
        factor: a batch may take this many times as long as the slowest of its size.
        look_every_s: time between two looks at what runs.
        failures: batches that fail in a row before nothing more is run.
    """

    least_s: float = 10.0
    first_s: float = 60.0
    factor: float = 10.0
    look_every_s: float = 1.0
    failures: int = 5


class RunTimes:
    """The slowest batch of each size; told by any thread.

    >>> times = RunTimes(RunLimits())
    >>> times.ran(1, 0.2)
    >>> times.ran(1, 3.0)
    >>> times.limit_s(1), times.limit_s(2), times.limit_s(8)
    (30.0, 60.0, 240.0)

    Args:
        limits: bounds.
    """

    def __init__(self, limits: RunLimits) -> None:
        self._limits = limits
        self._slowest_s: dict[int, float] = {}

    def ran(self, size: int, run_s: float) -> None:
        """Note a batch that has ended well."""
        slowest_s = self._slowest_s
        if size not in slowest_s or run_s > slowest_s[size]:
            slowest_s[size] = run_s

    def limit_s(self, size: int) -> float:
        """Longest time that a batch of this size may take."""
        limits, slowest_s = self._limits, self._slowest_s.copy()
        if size in slowest_s:
            return max(limits.least_s, limits.factor * slowest_s[size])
        item_s = max((run_s / of for of, run_s in slowest_s.items()), default=0.0)
        return max(limits.first_s, limits.factor * item_s * size)


class RunWatch:
    """Finds batches that run for too long.

    It counts only time that it has seen pass: when the whole process stood still, as in a container
    that was frozen, no engine is to blame.

    Args:
        times: measured so far.
        look_every_s: time between two looks.
    """

    def __init__(self, times: RunTimes, look_every_s: float) -> None:
        self._times = times
        self._most_s = 2 * look_every_s
        self._last_s: float | None = None
        self._seen_s = 0.0
        self._running: dict[Worker[Any, Any], tuple[float, float]] = {}

    def look(
        self, workers: Iterable[Worker[Any, Any]], now_s: float
    ) -> list[tuple[Worker[Any, Any], float]]:
        """Those whose batch has run for too long, and when it was begun.

        Args:
            workers: all that work.
            now_s: on the monotonic clock.
        """
        if self._last_s is not None:
            self._seen_s += min(now_s - self._last_s, self._most_s)
        self._last_s = now_s
        before, self._running = self._running, {}
        hung: list[tuple[Worker[Any, Any], float]] = []
        for worker in workers:
            since_s, work = worker.since_s, worker.work
            if since_s is None or work is None:
                continue
            begun_s, first_seen_s = before.get(worker, (since_s, self._seen_s))
            if begun_s != since_s:  # another batch than at the last look
                first_seen_s = self._seen_s
            self._running[worker] = since_s, first_seen_s
            if self._seen_s - first_seen_s > self._times.limit_s(work.size):
                hung.append((worker, since_s))
        return hung
