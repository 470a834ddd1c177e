"""How fast the engines work through a queue, as measured; what a newcomer's wait will be."""

from __future__ import annotations

_WEIGHT = 0.2
"""Of the newest batch in the averages: some ten batches tell the pace."""


class Pace:
    """Moving averages over the batches that ran; told by engine threads, asked by the loop."""

    def __init__(self) -> None:
        self._item_s = 0.0
        self._batch_s = 0.0

    @property
    def batch_s(self) -> float:
        """What a batch takes an engine; 0 before anything ran."""
        return self._batch_s

    def ran(self, size: int, run_s: float) -> None:
        """A batch of `size` items took an engine `run_s`."""
        # The first batch is no average of nothing and itself.
        weight = _WEIGHT if self._batch_s else 1.0
        self._item_s += weight * (run_s / size - self._item_s)
        self._batch_s += weight * (run_s - self._batch_s)

    def turn_in_s(self, waiting: int, engines: int) -> float:
        """Until an item behind `waiting` others enters an engine; 0 before anything ran."""
        return waiting * self._item_s / max(1, engines)

    def done_in_s(self, waiting: int, engines: int) -> float:
        """Until an item behind `waiting` others has its result; 0 before anything ran."""
        return self.turn_in_s(waiting, engines) + self._batch_s
