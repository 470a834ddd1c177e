"""Groups items that arrive one by one into batches; knows nothing of what they are.

Each runner (an engine instance) has one thread, which takes what waits whenever it is free, so
a batch is what gathered while the runners were busy, and a lone item is not delayed. Runners
that are idle at the same time share the queue, ⌈n / idle⌉ items each. With a `max_queue_delay_s`
a batch waits until it is full or its first item has waited that long.

While a runner is idle a caller may also borrow its thread (`alone`): what has to be done before
and after the run then happens there, and the item changes threads once instead of twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from service.batching.admission import NOTHING, Admission, Backlog
from service.batching.items import (
    Done,
    Item,
    Loan,
    Pending,
    Ran,
    Result,
    RunOne,
    deliver,
    fail,
    settle,
)
from service.batching.priority_queue import Lanes
from service.domain import DropReason, Priority
from service.errors import (
    ClientGoneError,
    DeadlineExceededError,
    EngineError,
    NotReadyError,
    TaktError,
)

Made = TypeVar("Made")

_DIED = "the model's engine has died; the service must be restarted"

Runner = Callable[[list[Item]], Sequence[Result]]
"""Runs one batch and answers as many results, in order; called from its own thread."""


def room_for(priority: Priority, max_queue_size: int) -> int:
    """Items of a priority that may wait: those of the bulk, half as many."""
    return max_queue_size if priority == "line" else (max_queue_size + 1) // 2


@dataclass(frozen=True, slots=True)
class BatcherOptions:
    """Bounds of the batches and of the queue; the words are Triton's.

    Attributes:
        max_batch_size: most items in a batch.
        max_queue_delay_s: longest wait for a batch to fill, from its first item on.
        max_queue_size: items that may wait; those of the bulk, half as many.
        preferred_batch_sizes: a batch is cut to the largest of these that it reaches.
    """

    max_batch_size: int
    max_queue_delay_s: float
    max_queue_size: int
    preferred_batch_sizes: tuple[int, ...] = ()

    def room(self, priority: Priority) -> int:
        """Items that may wait, as far as one of this priority is concerned."""
        return room_for(priority, self.max_queue_size)

    def batch_size(self, available: int) -> int:
        """How many of the available items to take."""
        most = min(available, self.max_batch_size)
        return max((size for size in self.preferred_batch_sizes if size <= most), default=most)


class Observer(Protocol):
    """Told what the batcher does; called from its threads."""

    def on_batch(self, size: int, run_s: float) -> None:
        """A batch ran."""

    def on_dropped(self, reason: DropReason) -> None:
        """An item was given up before it ran: its deadline passed, or its caller left."""


class Batcher(Generic[Item, Result]):
    """A bounded queue before one or more runners; made and used on one event loop.

    Args:
        runners: one thread each.
        options: bounds.
        observer: told of batches and of dropped items.
        name: of the threads.
    """

    def __init__(
        self,
        runners: Sequence[Runner[Item, Result]],
        options: BatcherOptions,
        observer: Observer,
        name: str = "batcher",
    ) -> None:
        self._options = options
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._queue: Lanes[Pending[Item, Result]] = Lanes()
        self._loans: deque[Loan[Item, Result]] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._closing = False
        self._alive = len(runners)
        self._admission = Admission(options.room)
        self._threads = [
            threading.Thread(target=self._work, args=(runner,), name=f"{name}-{i}", daemon=True)
            for i, runner in enumerate(runners)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def options(self) -> BatcherOptions:
        """Its bounds."""
        return self._options

    @property
    def runners(self) -> int:
        """How many there are, dead ones included."""
        return len(self._threads)

    @property
    def depth(self) -> int:
        """Items that wait."""
        return len(self._queue)

    @property
    def idle(self) -> int:
        """Runners that may be borrowed now: they have nothing to do, and nothing waits.

        None while a queue delay is set: who wants full batches does not want lone items.
        """
        if self._closing or len(self._queue) or self._options.max_queue_delay_s:
            return 0
        return self._idle - len(self._loans)

    @property
    def healthy(self) -> bool:
        """Whether every runner's thread lives."""
        return self._alive == len(self._threads) and not self._closing

    def admit(
        self,
        coming: Backlog = NOTHING,
        priority: Priority = "line",
        timeout_s: float = math.inf,
    ) -> None:
        """Refuse at once what the queue has no room for, or what would wait in vain.

        Args:
            coming: items that were admitted, and are still on their way to the queue or being
                finished after it.
            priority: of the item.
            timeout_s: within which its result is wanted.

        Raises:
            QueueFullError: as many items wait or are coming as may, or at the measured pace the
                result would come too late.
            NotReadyError: see `check_open`.
        """
        self.check_open()
        found = Backlog(
            held=len(self._queue) + coming.held,
            ahead=self._queue.ahead_of(priority) + coming.ahead,
            before_s=coming.before_s,
        )
        self._admission.check(found, self._alive, priority, timeout_s)

    def check_open(self) -> None:
        """Refuse whatever comes when nothing can run any more.

        Raises:
            NotReadyError: the batcher is closing, or all its runners are dead.
        """
        if self._closing:
            raise NotReadyError("the model is closing; send the picture to another server")
        if self._alive == 0:
            raise NotReadyError(_DIED)

    async def submit(
        self, item: Item, priority: Priority = "line", deadline_s: float = math.inf
    ) -> Done[Result]:
        """Queue an item and wait for its result; cancelling takes it out of the queue.

        Whoever submits has asked `admit` before: on its way an item keeps its place.

        Args:
            item: for the runners.
            priority: `line` items run before `bulk` ones.
            deadline_s: on the monotonic clock; once it has passed the item does not run.

        Raises:
            NotReadyError: see `check_open`.
            DeadlineExceededError: the deadline passed before the item's turn.
            TaktError: what the runner raised for the batch that held the item.
        """
        pending = Pending[Item, Result](item, self._loop.create_future(), deadline_s)
        with self._changed:
            self.check_open()
            self._queue.append(pending, priority)
            self._changed.notify()
        try:
            return await pending.future
        except asyncio.CancelledError:
            self._drop(pending)
            raise

    async def submit_parts(
        self, parts: Sequence[Item], priority: Priority = "line", deadline_s: float = math.inf
    ) -> list[Done[Result]]:
        """Queue parts of what was admitted as a whole, and wait for their results, in order.

        They fill batches together. Whoever submits bounds them: `max_queue_size` does not. If one
        fails, or the caller is cancelled, those that still wait are taken out of the queue.

        Raises:
            NotReadyError, DeadlineExceededError, TaktError: see `submit`.
        """
        pending = [
            Pending[Item, Result](part, self._loop.create_future(), deadline_s) for part in parts
        ]
        with self._changed:
            self.check_open()
            for one in pending:
                self._queue.append(one, priority)
            self._changed.notify(len(pending))
        try:
            return await asyncio.gather(*(one.future for one in pending))
        except BaseException:
            for one in pending:
                self._drop(one)
            raise

    async def alone(self, job: Callable[[RunOne[Item, Result]], Made]) -> Made:
        """Do a job on the thread of an idle runner, with that runner; see `idle`.

        Args:
            job: is handed what runs one item.

        Raises:
            NotReadyError: see `check_open`.
            ClientGoneError: the caller had gone before its item ran.
            Exception: whatever the job raised.
        """
        loan = Loan[Item, Result](job, self._loop.create_future())
        with self._changed:
            self.check_open()
            self._loans.append(loan)
            self._changed.notify()
        try:
            made: Made = await loan.future
        except asyncio.CancelledError:
            loan.given_up = True
            raise
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

    def _work(self, runner: Runner[Item, Result]) -> None:
        work: list[Pending[Item, Result]] | Loan[Item, Result] | None = None
        try:
            while (work := self._take()) is not None:
                if isinstance(work, list):
                    self._run(runner, work)
                else:
                    self._lend(runner, work)
                work = None  # lest the last picture stay in memory until the next one comes
        finally:
            with self._changed:
                self._alive -= 1
                died = EngineError(_DIED)
                if isinstance(work, list):
                    self._call(fail, work, died)
                elif work is not None:
                    self._call(settle, work.future, None, died)
                if not self._closing and self._alive == 0:
                    self._fail_waiting(died)

    def _take(self) -> list[Pending[Item, Result]] | Loan[Item, Result] | None:
        """What to do next, once there is something; None when closed and drained."""
        with self._changed:
            self._idle += 1
            try:
                while True:
                    if self._loans:
                        return self._loans.popleft()
                    if (wait_s := self._due_in_s()) is None or wait_s > 0:
                        self._changed.wait(wait_s)
                    elif not len(self._queue):
                        return None
                    elif batch := self._batch():
                        return batch
            finally:
                self._idle -= 1

    def _due_in_s(self) -> float | None:
        """Seconds until the waiting items should run; None while there are none."""
        if self._closing:
            return 0.0
        if not len(self._queue):
            return None
        if len(self._queue) >= self._options.max_batch_size:
            return 0.0
        due_s = self._queue.oldest_s + self._options.max_queue_delay_s
        if self._options.max_queue_delay_s:
            # No batch is waited for until somebody's answer would come too late.
            due_s = min(due_s, self._queue.earliest_deadline_s - self._admission.pace.batch_s)
        return due_s - time.monotonic()

    def _batch(self) -> list[Pending[Item, Result]]:
        # Who waits for full batches does not want them cut into shares.
        idle = 1 if self._options.max_queue_delay_s else self._idle
        size = self._options.batch_size(math.ceil(len(self._queue) / idle))
        expired: list[Pending[Item, Result]] = []
        batch = self._queue.take(size, time.monotonic(), expired)
        if expired:
            late = DeadlineExceededError("the picture's turn came after its deadline")
            self._call(fail, expired, late)
            for _ in expired:
                self._observer.on_dropped("expired")
        return batch

    def _run(self, runner: Runner[Item, Result], batch: list[Pending[Item, Result]]) -> None:
        started_s = time.monotonic()
        try:
            ran = self._timed(runner, [pending.item for pending in batch])
        except TaktError as error:
            self._call(fail, batch, error)
        else:
            self._call(deliver, batch, ran, started_s)

    def _lend(self, runner: Runner[Item, Result], loan: Loan[Item, Result]) -> None:
        if loan.given_up:
            self._observer.on_dropped("abandoned")
            return

        def run_one(item: Item) -> Done[Result]:
            if loan.given_up:
                self._observer.on_dropped("abandoned")
                raise ClientGoneError("the caller has gone")
            ran = self._timed(runner, [item])
            return Done(ran.results[0], 0.0, ran.run_s)

        try:
            made = loan.job(run_one)
        except Exception as error:
            self._call(settle, loan.future, None, error)
        else:
            self._call(settle, loan.future, made, None)

    def _timed(self, runner: Runner[Item, Result], items: list[Item]) -> Ran[Result]:
        """Run a batch; whatever the runner raises leaves as an error of ours."""
        started_s = time.monotonic()
        try:
            results = runner(items)
            if len(results) != len(items):
                raise EngineError(f"{len(results)} results came for {len(items)} pictures")
        except TaktError:
            raise
        except Exception as error:
            raise EngineError(f"the engine failed on a batch: {type(error).__name__}") from error
        finally:
            ended_s = time.monotonic()
            run_s = ended_s - started_s
            with self._changed:
                self._admission.pace.ran(
                    len(items),
                    run_s,
                    engines=max(1, self._alive),
                    ended_s=ended_s,
                    more=len(self._queue) > 0,
                )
            self._observer.on_batch(len(items), run_s)
        return Ran(results, run_s)

    def _drop(self, pending: Pending[Item, Result]) -> None:
        with self._changed:
            if not self._queue.remove(pending):
                return
        expired = time.monotonic() >= pending.deadline_s
        self._observer.on_dropped("expired" if expired else "abandoned")

    def _fail_waiting(self, error: TaktError) -> None:
        with self._changed:
            waiting = self._queue.clear()
            loans = [*self._loans]
            self._loans.clear()
        self._call(fail, waiting, error)
        for loan in loans:
            self._call(settle, loan.future, None, error)

    def _call(self, function: Callable[..., None], *args: object) -> None:
        """Call on the event loop; a loop that has closed has nobody left to answer."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *args)
