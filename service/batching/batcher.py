"""Groups items that arrive one by one into batches; knows nothing of what they are.

Each runner (an engine instance) has one thread, which takes what waits whenever it is free. So a
batch is what gathered while the runners were busy, and a lone item is not delayed. Runners that
are idle at the same time share the queue, ⌈n / idle⌉ items each. With a `max_queue_delay_s` a
batch waits until it is full or its first item has waited that long.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from service.batching.priority_queue import Waiter
from service.batching.stage import Stage
from service.batching.work import (
    Batch,
    Done,
    Item,
    Job,
    Observer,
    Result,
    Runner,
    RunOne,
    fail,
    run_checked,
)
from service.domain import Priority
from service.errors import DeadlineExceededError, EngineError, NotReadyError, TaktError

Made = TypeVar("Made")

_DIED = "the model's engine has died; the service must be restarted"


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


class Batcher(Generic[Item, Result]):
    """A queue before one or more runners; made and used on one event loop.

    >>> from unittest.mock import Mock
    >>> async def double() -> int:
    ...     options = BatcherOptions(max_batch_size=8, max_queue_delay_s=0, max_queue_size=256)
    ...     batcher = Batcher([lambda items: [2 * item for item in items]], options, Mock())
    ...     done = await batcher.submit(21)
    ...     await batcher.close(drain_timeout_s=1)
    ...     return done.result
    >>> asyncio.run(double())
    42

    Args:
        runners: one thread each.
        options: bounds.
        observer: hears of batches and of dropped items.
        name: of the threads.

    Attributes:
        stage: items that wait, and how fast they run; its workers are the runners that live.
    """

    def __init__(
        self,
        runners: Sequence[Runner[Item, Result]],
        options: BatcherOptions,
        observer: Observer,
        name: str = "batcher",
    ) -> None:
        self.options = options
        self.stage = Stage(workers=len(runners))
        self._queue, self._throughput = self.stage.queue, self.stage.throughput
        self._observer = observer
        self._jobs: deque[Job[Item, Result]] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, args=(runner,), name=f"{name}-{i}", daemon=True)
            for i, runner in enumerate(runners)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def idle_runners(self) -> int:
        """Runners that are free for a job now: they have nothing to do, and nothing waits.

        0 while a queue delay is set: who wants full batches does not want lone items.
        """
        if self._closing or len(self._queue) or self.options.max_queue_delay_s:
            return 0
        return self._idle - len(self._jobs)

    @property
    def healthy(self) -> bool:
        """Whether every runner's thread lives."""
        return self._throughput.workers == len(self._threads) and not self._closing

    def check_open(self) -> None:
        """Raise NotReadyError if the batcher is closing, or all its runners are dead."""
        if self._closing:
            raise NotReadyError("the model is closing; send the picture to another server")
        if self._throughput.workers == 0:
            raise NotReadyError(_DIED)

    async def submit(
        self, item: Item, priority: Priority = "line", deadline_s: float = math.inf
    ) -> Done[Result]:
        """Queue an item and wait for its result; cancelling takes it out of the queue.

        The queue is not bounded here: callers ask `Admission` first.

        Raises:
            NotReadyError: the batcher is closing, or all its runners are dead.
            DeadlineExceededError: the deadline, on the monotonic clock, passed before its turn.
            TaktError: the error that the runner raised for the item's batch.
        """
        waiter = Waiter(deadline_s, item)
        with self._queued([waiter], priority):
            done: Done[Result] = await waiter.future
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
        with self._queued(waiters, priority):
            done: list[Done[Result]] = await asyncio.gather(*(one.future for one in waiters))
        return done

    async def run_job(self, function: Callable[[RunOne[Item, Result]], Made]) -> Made:
        """Call a function on the thread of an idle runner, with what runs one item there.

        What it does before and after the run happens there too, so that a lone item changes
        threads once instead of twice.

        Raises:
            NotReadyError: the batcher is closing, or all its runners are dead.
            ClientGoneError: the caller had gone before its item ran.
            Exception: whatever the function raised.
        """
        job = Job(function, self._observer)
        with self._changed:
            self.check_open()
            self._jobs.append(job)
            self._changed.notify()
        made: Made = await job.future
        return made

    async def close(self, drain_timeout_s: float) -> None:
        """Take nothing more, run what waits, end the threads.

        What still waits after `drain_timeout_s` fails with NotReadyError.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        deadline_s = time.monotonic() + drain_timeout_s
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(0.0, deadline_s - time.monotonic()))
        self._fail_waiting(NotReadyError("the service closed before the picture's turn came"))

    @contextlib.contextmanager
    def _queued(self, waiters: Sequence[Waiter], priority: Priority) -> Iterator[None]:
        """Queue waiters for a block; if it fails, those that still wait leave the queue."""
        with self._changed:
            self.check_open()
            for waiter in waiters:
                self._queue.append(waiter, priority)
            self._changed.notify(len(waiters))
        try:
            yield
        except BaseException:
            for waiter in waiters:
                with self._changed:
                    waited = self._queue.remove(waiter)
                if waited:
                    expired = time.monotonic() >= waiter.deadline_s
                    self._observer.on_dropped("expired" if expired else "abandoned")
            raise

    def _fail_waiting(self, error: TaktError) -> None:
        with self._changed:
            waiting = [waiter.future for waiter in self._queue.clear()]
            waiting += [job.future for job in self._jobs]
            self._jobs.clear()
        fail(waiting, error)

    def _work(self, runner: Runner[Item, Result]) -> None:
        """Work until closed; the body of a runner's thread."""
        run = partial(self._run, runner)
        work: Batch[Item, Result] | Job[Item, Result] | None = None
        try:
            while (work := self._take()) is not None:
                work.run(run)
                work = None  # lest the last picture stay in memory until the next one comes
        finally:
            with self._changed:
                self._throughput.workers -= 1
                died = EngineError(_DIED)
                if work is not None:
                    work.fail(died)
                if not self._closing and self._throughput.workers == 0:
                    self._fail_waiting(died)

    def _take(self) -> Batch[Item, Result] | Job[Item, Result] | None:
        """Wait for the next work; None when closed and drained."""
        with self._changed:
            self._idle += 1
            try:
                while True:
                    if self._jobs:
                        return self._jobs.popleft()
                    if (wait_s := self._due_in_s()) is None or wait_s > 0:
                        self._changed.wait(wait_s)
                    elif not len(self._queue):
                        return None
                    elif waiters := self._next_batch():
                        return Batch(waiters)
            finally:
                self._idle -= 1

    def _due_in_s(self) -> float | None:
        """Seconds until the waiting items should run; None while there are none."""
        if self._closing:
            return 0.0
        if not len(self._queue):
            return None
        if len(self._queue) >= self.options.max_batch_size:
            return 0.0
        due_s = self._queue.oldest_s + self.options.max_queue_delay_s
        if self.options.max_queue_delay_s:
            # No batch is waited for until somebody's answer would come too late.
            due_s = min(due_s, self._queue.earliest_deadline_s - self._throughput.batch_s)
        return due_s - time.monotonic()

    def _next_batch(self) -> list[Waiter]:
        # Who waits for full batches does not want them cut into shares.
        idle = 1 if self.options.max_queue_delay_s else self._idle
        size = self.options.batch_size(math.ceil(len(self._queue) / idle))
        expired: list[Waiter] = []
        waiters = self._queue.take(size, time.monotonic(), expired)
        if expired:
            late = DeadlineExceededError("the picture's turn came after its deadline")
            fail([waiter.future for waiter in expired], late)
            for _ in expired:
                self._observer.on_dropped("expired")
        return waiters

    def _run(
        self, runner: Runner[Item, Result], items: list[Item]
    ) -> tuple[Sequence[Result], float]:
        """Run a batch and measure it."""
        started_s = time.monotonic()
        try:
            results = run_checked(runner, items)
        finally:
            ended_s = time.monotonic()
            run_s = ended_s - started_s
            with self._changed:
                more = len(self._queue) > 0
                self._throughput.ran(len(items), run_s, ended_s=ended_s, more=more)
            self._observer.on_batch(len(items), run_s)
        return results, run_s
