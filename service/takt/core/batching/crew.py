"""The workers of a queue: how each runs its batches, is given up and replaced."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Generic

from takt.core.batching.intake import Intake
from takt.core.batching.options import BatcherOptions
from takt.core.batching.watch import RunLimits, RunTimes, RunWatch
from takt.core.batching.work import Item, Observer, Result, Runner, run_checked, settle
from takt.core.batching.worker import Keeper, Unbroken, Worker
from takt.core.domain import EngineFault
from takt.core.errors import EngineDiedError, EngineHungError, EngineMemoryError, NotReadyError

logger = logging.getLogger("takt.batching")

_LIMITS = RunLimits()


class Crew(Generic[Item, Result]):
    """One worker for each runner, which takes what waits whenever it is free.

    With a keeper, a worker is given up when its thread dies, when its batch does not end, or when
    batch after batch fails; what waits then waits for another worker. Without one a worker ends
    only by dying, and once all are dead, what waits fails.

    Args:
        runners: one thread each.
        options: bounds.
        observer: hears of batches and of dropped items.
        name: of the threads.
        keeper: mends what is broken.
        limits: of what a worker may do.

    Attributes:
        options: bounds.
        stage: items that wait, and how fast they run; its workers are those that work.
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
        self.stage = self._intake.stage
        self._name = name
        self._keeper = keeper
        self._limits = limits
        self._lock, self._changed = self._intake.lock, self._intake.changed
        self._queue = self.stage.queue
        self._throughput = self.stage.throughput
        self._times = RunTimes(limits)
        self._watch = RunWatch(self._times, limits.look_every_s)
        self._loop = asyncio.get_running_loop()
        self._alive: set[Worker[Item, Result]] = set()
        self._in_place: dict[int, Worker[Item, Result]] = {}
        self._watching: asyncio.Task[None] | None = None
        for place, runner in enumerate(runners):
            self.replace(place, runner)
        if keeper is not None:
            self._watching = asyncio.create_task(self._keep_watching())

    @property
    def working(self) -> int:
        """Workers that take work, now or once they are free."""
        return self._throughput.workers

    def works(self, place: int) -> bool:
        """Whether the worker of a place takes work."""
        return not self._in_place[place].dismissed

    def outage(self) -> NotReadyError:
        """The error for whoever comes while nobody works."""
        if self._keeper is not None:
            return self._keeper.outage()
        return NotReadyError("the model's engine has died; the service must be restarted")

    def replace(self, place: int, runner: Runner[Item, Result]) -> asyncio.Future[None] | None:
        """Put a runner in a place, on a thread of its own.

        A worker that is there answers what it has in hand, and ends.

        Returns:
            Done once the thread of that worker has ended; None if there was none.
        """
        worker = Worker(place, runner, self._work, f"{self._name}-{place}")
        with self._lock:
            before = self._in_place.get(place)
            if before is not None:
                self._dismiss(before)
            self._in_place[place] = worker
            self._alive.add(worker)
            self._throughput.workers += 1
        worker.thread.start()
        return None if before is None else before.ended

    def tell_times(self, batch_s: Sequence[tuple[int, float]]) -> None:
        """Note how long batches took elsewhere, so that the first ones here are bounded by it."""
        for size, run_s in batch_s:
            self._times.ran(size, run_s)

    def look(self, now_s: float) -> None:
        """Give up every worker whose batch has run for too long; happens by itself, too."""
        with self._lock:
            alive = list(self._alive)
        for worker, since_s in self._watch.look(alive, now_s):
            work = worker.work
            if work is None or not self._give_up(worker, "hung", since_s):
                continue
            limit_s = self._times.limit_s(work.size)
            logger.error("%s: a batch has not ended within %.0f s", worker.thread.name, limit_s)
            work.fail(
                EngineHungError(
                    f"the engine did not answer within {limit_s:.0f} s and is replaced; send the "
                    "picture again",
                    retry_after_s=1,
                )
            )

    async def close(self, drain_timeout_s: float) -> bool:
        """Take nothing more, run what waits, end the threads.

        What still waits or runs after `drain_timeout_s` fails with NotReadyError.

        Returns:
            Whether all threads have ended but for those that were given up as hung.
        """
        self._intake.close()
        with self._lock:
            ends = {worker.ended for worker in self._alive}
        if ends:
            await asyncio.wait(ends, timeout=drain_timeout_s)
        if self._watching is not None:
            self._watching.cancel()
        late = NotReadyError("the service closed before the picture's turn came")
        self._intake.fail_waiting(late)
        with self._lock:
            left = [worker.work for worker in self._alive]
        for work in left:
            if work is not None:
                work.fail(late)
        return not left

    async def _keep_watching(self) -> None:
        while True:
            await asyncio.sleep(self._limits.look_every_s)
            try:
                self.look(time.monotonic())
            except Exception:
                logger.exception("the engines of %s could not be looked at", self._name)

    def _work(self, worker: Worker[Item, Result]) -> None:
        """Work until closed or dismissed; the body of a worker's thread."""
        run = partial(self._run, worker)
        try:
            while (work := self._intake.take(worker)) is not None:
                worker.work = work
                work.run(run)
                # Lest the last picture stay in memory until the next one comes.
                worker.work = work = None
        except BaseException:
            logger.critical("%s: an engine's thread has died", worker.thread.name, exc_info=True)
            self._died(worker)
        with self._lock:
            self._dismiss(worker)
            self._alive.discard(worker)
        settle([worker.ended], [None])

    def _died(self, worker: Worker[Item, Result]) -> None:
        self._give_up(worker, "died")
        died = EngineDiedError("the model's engine has died; send the picture again", 1)
        if worker.work is not None:
            worker.work.fail(died)
            worker.work = None
        if self._keeper is None and not self.working and not self._intake.closing:
            self._intake.fail_waiting(died)

    def _dismiss(self, worker: Worker[Item, Result]) -> bool:
        """Have a worker take nothing more, with the lock held; False if it is so already."""
        if worker.dismissed:
            return False
        worker.dismissed = True
        self._throughput.workers -= 1
        self._changed.notify_all()
        return True

    def _give_up(
        self, worker: Worker[Item, Result], fault: EngineFault, since_s: float | None = None
    ) -> bool:
        """Take a worker out of service, and tell the keeper.

        Args:
            worker: the worker.
            fault: why.
            since_s: when the batch that hangs was begun.

        Returns:
            Whether that is news: it was not out of service, and the batch still hangs.
        """
        with self._lock:
            if fault == "hung":
                if worker.since_s != since_s:
                    return False
                self._dismiss(worker)
                worker.lost = True
                self._alive.discard(worker)
            elif not self._dismiss(worker):
                return False
        if self._keeper is not None:
            tell = partial(self._keeper.broken, worker.place, fault, worker.ended)
            with contextlib.suppress(RuntimeError):  # a loop that has closed keeps nothing
                self._loop.call_soon_threadsafe(tell)
        return True

    def _run(
        self, worker: Worker[Item, Result], items: list[Item]
    ) -> tuple[Sequence[Result], float]:
        """Run a batch and measure it."""
        worker.since_s = started_s = time.monotonic()
        failed = True
        try:
            try:
                results = run_checked(worker.runner, items)
            except EngineMemoryError as error:
                results = self._run_alone(worker, items, error)
            failed = False
        finally:
            run_s = self._ran(worker, len(items), started_s, failed)
        return results, run_s

    def _run_alone(
        self, worker: Worker[Item, Result], items: list[Item], error: EngineMemoryError
    ) -> Sequence[Result]:
        """Run a batch for which the engine has no memory item by item.

        Raises:
            EngineMemoryError: it has none for an item alone.
        """
        if len(items) == 1:
            logger.error("%s: %s", worker.thread.name, error, exc_info=error.__cause__)
            raise error
        name, cause = worker.thread.name, error.__cause__
        logger.warning("%s: no memory for %d pictures at once: %s", name, len(items), cause)
        results: list[Result] = []
        for item in items:
            worker.since_s = time.monotonic()
            results += run_checked(worker.runner, [item])
        return results

    def _ran(
        self, worker: Worker[Item, Result], size: int, started_s: float, failed: bool
    ) -> float:
        """Count a batch that has ended; gives the seconds that it ran."""
        ended_s = time.monotonic()
        run_s = ended_s - started_s
        with self._lock:
            worker.since_s = None
            if worker.lost:  # its callers know already
                return run_s
            more = len(self._queue) > 0
            self._throughput.ran(size, run_s, ended_s=ended_s, more=more)
            if failed:
                worker.failures += 1
            else:
                worker.failures = 0
                self._times.ran(size, run_s)
        self._observer.on_batch(size, run_s)
        if worker.failures >= self._limits.failures and self._keeper is not None:
            self._give_up(worker, "failing")
        return run_s
