"""Takes items that arrive one by one, to be run in batches; knows nothing of what they are.

Each runner (an engine instance) has one thread, which takes what waits whenever it is free. So a
batch is what gathered while the runners were busy, and a lone item is not delayed. Runners that
are idle at the same time share the queue, ⌈n / idle⌉ items each. With a `max_queue_delay_s` a
batch waits until it is full or its first item has waited that long.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from service.core.batching.crew import Crew
from service.core.batching.intake import Intake
from service.core.batching.options import BatcherOptions
from service.core.batching.priority_queue import Waiter
from service.core.batching.watch import RunLimits
from service.core.batching.work import Done, Item, Job, Observer, Result, Runner, RunOne
from service.core.batching.worker import Keeper, Unbroken
from service.core.domain import Priority
from service.core.errors import NotReadyError

Made = TypeVar("Made")

_LIMITS = RunLimits()


class Batcher(Generic[Item, Result]):
    """A queue before one or more runners; made and used on one event loop.

    >>> from service.core.batching.work import Unobserved
    >>> async def double() -> int:
    ...     options = BatcherOptions(max_batch_size=8, max_queue_delay_s=0, max_queue_size=256)
    ...     batcher = Batcher([lambda items: [2 * item for item in items]], options, Unobserved())
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
        keeper: mends runners that are broken; see `Crew`.
        limits: of what runners may do.

    Attributes:
        options: bounds.
        stage: items that wait, and how fast they run; its workers are the runners that work.
    """

    def __init__(
        self,
        runners: Sequence[Runner[Item, Result]],
        options: BatcherOptions,
        observer: Observer,
        name: str = "batcher",
        keeper: Keeper | None = None,
        limits: RunLimits = _LIMITS,
    ) -> None:
        self.options = options
        self._observer = Unbroken(observer)
        self._intake: Intake[Item, Result] = Intake(options, self._observer)
        self._crew = Crew(runners, self._intake, self._observer, name, keeper, limits)
        self.stage = self._intake.stage
        self._queue, self._changed = self.stage.queue, self._intake.changed

    @property
    def idle_runners(self) -> int:
        """Runners that are free for a job now: they have nothing to do, and nothing waits.

        0 while a queue delay is set: who wants full batches does not want lone items.
        """
        return 0 if self.options.max_queue_delay_s else self._intake.free

    @property
    def healthy(self) -> bool:
        """Whether a runner works, so that what comes is answered."""
        return self._crew.working > 0 and not self._intake.closing

    @property
    def working(self) -> int:
        """Runners that work."""
        return self._crew.working

    def check_open(self) -> None:
        """Raise NotReadyError if the batcher is closing, or none of its runners works."""
        if self._intake.closing:
            raise NotReadyError("the model is closing; send the picture to another server")
        if self._crew.working == 0:
            raise self._crew.outage()

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
        with self._queued([waiter], priority):
            made: Made = await waiter.future
        return made

    def replace(self, place: int, runner: Runner[Item, Result]) -> asyncio.Future[None] | None:
        """Put another runner in a place, on a thread of its own; see `Crew.replace`."""
        return self._crew.replace(place, runner)

    def works(self, place: int) -> bool:
        """Whether the runner of a place works."""
        return self._crew.works(place)

    def tell_times(self, batch_s: Sequence[tuple[int, float]]) -> None:
        """Note how long batches took elsewhere, so that the first ones here are bounded by it."""
        self._crew.tell_times(batch_s)

    def look(self, now_s: float) -> None:
        """Give up every runner whose batch has run for too long; happens by itself, too."""
        self._crew.look(now_s)

    async def close(self, drain_timeout_s: float) -> bool:
        """Take nothing more, run what waits, end the threads.

        What still waits or runs after `drain_timeout_s` fails with NotReadyError.

        Returns:
            Whether all threads have ended but for those that were given up as hung.
        """
        return await self._crew.close(drain_timeout_s)

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
