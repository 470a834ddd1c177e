"""Takes items that arrive one by one, to be run in batches; knows nothing of what they are.

Each runner (an engine instance) has one thread, which takes what waits whenever it is free. So a
batch is what gathered while the runners were busy, and a lone item is not delayed. Runners that
are idle at the same time share the queue, ⌈n / idle⌉ items each. With a `max_queue_delay_s` a
batch waits until it is full or its first item has waited that long.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from takt.core.batching.crew import Crew
from takt.core.batching.priority_queue import Waiter
from takt.core.batching.work import Done, Item, Job, Result, RunOne
from takt.core.domain import Priority
from takt.core.errors import NotReadyError

Made = TypeVar("Made")


class Batcher(Crew[Item, Result]):
    """A crew with the way to it: callers bring items and wait; made and used on one event loop.

    >>> from takt.core.batching.options import BatcherOptions
    >>> from takt.core.batching.work import Unobserved
    >>> async def double() -> int:
    ...     options = BatcherOptions(max_batch_size=8, max_queue_delay_s=0, max_queue_size=256)
    ...     batcher = Batcher([lambda items: [2 * item for item in items]], options, Unobserved())
    ...     done = await batcher.submit(21)
    ...     await batcher.close(drain_timeout_s=1)
    ...     return done.result
    >>> asyncio.run(double())
    42

    Arguments and attributes are those of `Crew`.
    """

    @property
    def idle_runners(self) -> int:
        """Runners that are free for a job now: they have nothing to do, and nothing waits.

        0 while a queue delay is set: who wants full batches does not want lone items.
        """
        return 0 if self.options.max_queue_delay_s else self._intake.free

    @property
    def healthy(self) -> bool:
        """Whether a runner works, so that what comes is answered."""
        return self.working > 0 and not self._intake.closing

    def check_open(self) -> None:
        """Raise NotReadyError if the batcher is closing, or none of its runners works."""
        if self._intake.closing:
            raise NotReadyError("the model is closing; send the picture to another server")
        if self._throughput.workers == 0:
            raise self.outage()

    async def submit(
        self, item: Item, priority: Priority = "line", deadline_s: float = math.inf
    ) -> Done[Result]:
        """Queue an item and wait for its result; cancelling takes it out of the queue.

        The queue is not bounded here: callers ask `Admission` first.

        Raises:
            NotReadyError: the batcher is closing, or none of its runners works.
            DeadlineExceededError: the deadline, on the monotonic clock, passed before its turn.
            TaktError: the error that the runner raised for the item's batch.
        """
        waiter = Waiter(deadline_s, item)
        self._queue_up([waiter], priority)
        try:
            done: Done[Result] = await waiter.future
        except BaseException:
            self._withdraw([waiter])
            raise
        return done

    async def submit_parts(
        self, parts: Sequence[Item], priority: Priority = "line", deadline_s: float = math.inf
    ) -> list[Done[Result]]:
        """Queue the parts of one whole and wait for their results, in order.

        They fill batches together. If one fails, or the caller is cancelled, those that still wait
        are taken out of the queue.

        Raises:
            NotReadyError, DeadlineExceededError, TaktError: as `submit` does.
        """
        waiters = [Waiter(deadline_s, part) for part in parts]
        self._queue_up(waiters, priority)
        try:
            done: list[Done[Result]] = await asyncio.gather(*(one.future for one in waiters))
        except BaseException:
            self._withdraw(waiters)
            raise
        return done

    async def run_job(
        self,
        function: Callable[[RunOne[Item, Result]], Made],
        priority: Priority = "line",
        deadline_s: float = math.inf,
    ) -> Made:
        """Queue a function for a runner's thread, and call it there with what runs one item.

        What it does before and after the run happens there too, so that its item changes threads
        once instead of twice.

        Raises:
            NotReadyError: the batcher is closing, or none of its runners works.
            DeadlineExceededError: the deadline, on the monotonic clock, passed before its turn.
            ClientGoneError: the caller had gone before its item ran.
            Exception: whatever the function raised.
        """
        job = Job(function, self._observer)
        waiter = Waiter(deadline_s, job, alone=True, future=job.future)
        self._queue_up([waiter], priority)
        try:
            made: Made = await waiter.future
        except BaseException:
            self._withdraw([waiter])
            raise
        return made

    def _queue_up(self, waiters: Sequence[Waiter], priority: Priority) -> None:
        with self._lock:
            self.check_open()
            for waiter in waiters:
                self._queue.append(waiter, priority)
            self._changed.notify(len(waiters))

    def _withdraw(self, waiters: Sequence[Waiter]) -> None:
        """Take those that still wait out of the queue."""
        for waiter in waiters:
            with self._lock:
                waited = self._queue.remove(waiter)
            if waited:
                expired = time.monotonic() >= waiter.deadline_s
                self._observer.on_dropped("expired" if expired else "abandoned")
