"""Bounds of the batches and of the queue."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatcherOptions:
    """Bounds of the batches and of the queue; the words are Triton's.

    Attributes:
        max_batch_size: most items in a batch.
        max_queue_delay_s: longest wait for a batch to fill, from its first item on.
        max_queue_size: items that may wait; bulk items, half as many (see `Admission`).
        preferred_batch_sizes: a batch is cut to the largest of these that it reaches.
    """

    max_batch_size: int
    max_queue_delay_s: float
    max_queue_size: int
    preferred_batch_sizes: tuple[int, ...] = ()

    def batch_size(self, available: int) -> int:
        """How many of the available items to take."""
        most = min(available, self.max_batch_size)
        return max((size for size in self.preferred_batch_sizes if size <= most), default=most)
