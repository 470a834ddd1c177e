"""How fast workers get through a queue, as measured, and how long a newcomer will wait."""

from __future__ import annotations

_WEIGHT = 0.1
"""Weight of the newest batch in the averages: some twenty batches tell the throughput."""


class Throughput:
    """Moving averages over the batches that ran; updated by any thread, read by the event loop.

    >>> throughput = Throughput(workers=2)
    >>> throughput.ran(1, run_s=0.5)
    >>> throughput.done_in_s(waiting=4)
    1.5

    Args:
        workers: that share the work, such as engines.

    Attributes:
        workers: those that still live.
        batch_s: seconds that a batch takes a worker; 0 before anything ran.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self.batch_s = 0.0
        self._item_s = 0.0
        self._loaded_since_s: float | None = None

    def ran(
        self, size: int, run_s: float, *, ended_s: float | None = None, more: bool = False
    ) -> None:
        """Count a batch of `size` items that took a worker `run_s`.

        Args:
            size: items.
            run_s: seconds of the worker alone.
            ended_s: when it was over, on the monotonic clock. While more items wait, the time from
                one end to the next is what an item takes under load: it includes all that the
                processor does beside the workers, which `run_s` does not.
            more: whether more items wait.
        """
        item_s = run_s / size
        if ended_s is not None and self._loaded_since_s is not None:
            item_s = max(1, self.workers) * (ended_s - self._loaded_since_s) / size
        self._loaded_since_s = ended_s if more else None
        # The first batch is no average of nothing and itself.
        weight = _WEIGHT if self.batch_s else 1.0
        self._item_s += weight * (item_s - self._item_s)
        self.batch_s += weight * (run_s - self.batch_s)

    def turn_in_s(self, waiting: int) -> float:
        """Seconds until an item behind `waiting` others enters a worker; 0 before anything ran."""
        return waiting * self._item_s / max(1, self.workers)

    def done_in_s(self, waiting: int) -> float:
        """Seconds until an item behind `waiting` others has its result.

        0 where none waits, so that slow work alone refuses nobody, and 0 before anything ran.
        """
        return self.turn_in_s(waiting) + self.batch_s if waiting else 0.0
