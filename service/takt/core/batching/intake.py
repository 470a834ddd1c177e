"""What waits for the workers, and what a worker takes of it."""

from __future__ import annotations

import math
import threading
import time
from typing import Generic

from takt.core.batching.options import BatcherOptions
from takt.core.batching.priority_queue import Waiter
from takt.core.batching.stage import Stage
from takt.core.batching.work import Batch, Item, Job, Observer, Result, fail
from takt.core.batching.worker import Worker
from takt.core.errors import DeadlineExceededError, TaktError


class Intake(Generic[Item, Result]):
    """The queue of items and of jobs that callers bring.

    Args:
        options: bounds.
        observer: hears of items that have expired.

    Attributes:
        stage: items that wait, and how fast they run; its workers are those that work.
        lock: of all that is here.
        changed: with that lock; the workers wait on it.
        idle: workers that wait.
        closing: whether nothing more comes.
    """

    def __init__(self, options: BatcherOptions, observer: Observer) -> None:
        self.stage = Stage(workers=0)
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.idle = 0
        self.closing = False
        self._options = options
        self._observer = observer
        self._queue, self._throughput = self.stage.queue, self.stage.throughput

    @property
    def free(self) -> int:
        """Workers that have nothing to do, and that nothing which waits will wake."""
        return 0 if self.closing else max(0, self.idle - len(self._queue))

    def take(self, worker: Worker[Item, Result]) -> Batch[Item, Result] | Job[Item, Result] | None:
        """Wait for a worker's next work; None if it is dismissed, or all is closed and drained."""
        with self.lock:
            self.idle += 1
            try:
                while not worker.dismissed:
                    waiting = len(self._queue)
                    if (wait_s := self._due_in_s(waiting)) is None or wait_s > 0:
                        self.changed.wait(wait_s)
                    elif not waiting:
                        return None
                    elif waiters := self._next_batch(waiting):
                        job = waiters[0].item
                        return job if isinstance(job, Job) else Batch(waiters)
                return None
            finally:
                self.idle -= 1

    def close(self) -> None:
        """Have the workers end once nothing waits."""
        with self.lock:
            self.closing = True
            self.changed.notify_all()

    def fail_waiting(self, error: TaktError) -> None:
        """Answer everyone who waits by an error."""
        with self.lock:
            waiting = [waiter.future for waiter in self._queue.clear()]
        fail(waiting, error)

    def _due_in_s(self, waiting: int) -> float | None:
        """Seconds until so many waiting items should run; None if there are none."""
        if self.closing:
            return 0.0
        if not waiting:
            return None
        if waiting >= self._options.max_batch_size:
            return 0.0
        due_s = self._queue.oldest_s + self._options.max_queue_delay_s
        if self._options.max_queue_delay_s:
            # No batch is waited for until somebody's answer would come too late.
            due_s = min(due_s, self._queue.earliest_deadline_s - self._throughput.batch_s)
        return due_s - time.monotonic()

    def _next_batch(self, waiting: int) -> list[Waiter]:
        # Who waits for full batches does not want them cut into shares.
        idle = 1 if self._options.max_queue_delay_s else self.idle
        size = self._options.batch_size(math.ceil(waiting / idle))
        expired: list[Waiter] = []
        waiters = self._queue.take(size, time.monotonic(), expired)
        if expired:
            late = DeadlineExceededError("the picture's turn came after its deadline")
            fail([waiter.future for waiter in expired], late)
            for _ in expired:
                self._observer.on_dropped("expired")
        return waiters
