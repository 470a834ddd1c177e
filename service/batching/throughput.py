"""How fast the engines work through a queue, as measured; what a newcomer's wait will be."""

from __future__ import annotations

_WEIGHT = 0.1
"""Of the newest batch in the averages: some twenty batches tell the pace."""


class Pace:
    """Moving averages over the batches that ran; told by engine threads, asked by the loop."""

    def __init__(self) -> None:
        self._item_s = 0.0
        self._batch_s = 0.0
        self._loaded_since_s: float | None = None

    @property
    def batch_s(self) -> float:
        """What a batch takes an engine; 0 before anything ran."""
        return self._batch_s

    def ran(
        self,
        size: int,
        run_s: float,
        *,
        engines: int = 1,
        ended_s: float | None = None,
        more: bool = False,
    ) -> None:
        """A batch of `size` items took an engine `run_s`.

        Args:
            size: items.
            run_s: of the engine alone.
            engines: that share the work.
            ended_s: when it was over, on the monotonic clock. From one end to the next the items
                had the engines and all that the processor does beside them, as long as more
                waited: that is the pace under load, which the engines' own time does not tell.
            more: whether more waits.
        """
        item_s = run_s / size
        if ended_s is not None and self._loaded_since_s is not None:
            item_s = engines * (ended_s - self._loaded_since_s) / size
        self._loaded_since_s = ended_s if more else None
        # The first batch is no average of nothing and itself.
        weight = _WEIGHT if self._batch_s else 1.0
        self._item_s += weight * (item_s - self._item_s)
        self._batch_s += weight * (run_s - self._batch_s)

    def turn_in_s(self, waiting: int, engines: int) -> float:
        """Until an item behind `waiting` others enters an engine; 0 before anything ran."""
        return waiting * self._item_s / max(1, engines)

    def done_in_s(self, waiting: int, engines: int) -> float:
        """Until an item behind `waiting` others has its result; 0 before anything ran."""
        return self.turn_in_s(waiting, engines) + self._batch_s
