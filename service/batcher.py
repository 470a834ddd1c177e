"""Groups items that arrive one by one into batches; knows nothing of what they are.

Each runner (an engine instance) has one thread, which takes what waits whenever it is free, so
a batch is what gathered while the runners were busy, and a lone item is not delayed. Runners
that are idle at the same time share the queue, ⌈n / idle⌉ items each. With a `max_queue_delay_s`
a batch waits until it is full or its first item has waited that long.
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

from service.errors import EngineError, NotReadyError, QueueFullError, TaktError

Item = TypeVar("Item")
Result = TypeVar("Result")

_DIED = "the model's engine has died; the service must be restarted"

Runner = Callable[[list[Item]], Sequence[Result]]
"""Runs one batch and answers as many results, in order; called from its own thread."""


@dataclass(frozen=True, slots=True)
class BatcherOptions:
    """Bounds of the batches and of the queue; the words are Triton's."""

    max_batch_size: int
    max_queue_delay_s: float
    max_queue_size: int


@dataclass(frozen=True, slots=True)
class Done(Generic[Result]):
    """An item's result and where its time went."""

    result: Result
    queue_s: float
    run_s: float


class Observer(Protocol):
    """Told what the batcher does; called from its threads."""

    def on_batch(self, size: int, run_s: float) -> None:
        """A batch ran."""

    def on_dropped(self) -> None:
        """An item was given up by its caller before it ran."""


class _Pending(Generic[Item, Result]):
    __slots__ = ("arrived_s", "future", "item")

    def __init__(self, item: Item, future: asyncio.Future[Done[Result]]) -> None:
        self.item = item
        self.future = future
        self.arrived_s = time.monotonic()


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
        self._queue: deque[_Pending[Item, Result]] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._closing = False
        self._alive = len(runners)
        self._seconds_per_item = 0.0
        self._threads = [
            threading.Thread(target=self._work, args=(runner,), name=f"{name}-{i}", daemon=True)
            for i, runner in enumerate(runners)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def depth(self) -> int:
        """Items that wait."""
        return len(self._queue)

    @property
    def healthy(self) -> bool:
        """Whether every runner's thread lives."""
        return self._alive == len(self._threads) and not self._closing

    def admit(self, coming: int = 0) -> None:
        """Refuse at once what the queue has no room for.

        Args:
            coming: items that were admitted and are still on their way to the queue.

        Raises:
            QueueFullError: `max_queue_size` items wait or are coming.
            NotReadyError: the batcher is closing, or all its runners are dead.
        """
        if self._closing:
            raise NotReadyError("the model is closing; send the picture to another server")
        if self._alive == 0:
            raise NotReadyError(_DIED)
        waiting = len(self._queue) + coming
        if waiting >= self._options.max_queue_size:
            raise QueueFullError(
                f"{waiting} pictures wait already; send this one again later, or raise "
                "max_queue_size or the number of servers",
                retry_after_s=self._seconds_until_room(waiting),
            )

    async def submit(self, item: Item) -> Done[Result]:
        """Queue an item and wait for its result; cancelling takes it out of the queue.

        Raises:
            QueueFullError, NotReadyError: see `admit`.
            TaktError: what the runner raised for the batch that held the item.
        """
        pending = _Pending[Item, Result](item, self._loop.create_future())
        with self._changed:
            self.admit()
            self._queue.append(pending)
            self._changed.notify()
        try:
            return await pending.future
        except asyncio.CancelledError:
            self._drop(pending)
            raise

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

    def _work(self, run: Runner[Item, Result]) -> None:
        batch: list[_Pending[Item, Result]] = []
        try:
            while batch := self._take():
                self._run(run, batch)
        finally:
            with self._changed:
                self._alive -= 1
                self._call(self._deliver, batch, (), EngineError(_DIED), 0.0, 0.0)
                if not self._closing and self._alive == 0:
                    self._fail_waiting(EngineError(_DIED))

    def _take(self) -> list[_Pending[Item, Result]]:
        """The next batch, once there is one; empty when the batcher is closed and drained."""
        with self._changed:
            self._idle += 1
            while (wait_s := self._due_in_s()) is None or wait_s > 0:
                self._changed.wait(wait_s)
            # Who waits for full batches does not want them cut into shares.
            idle = 1 if self._options.max_queue_delay_s else self._idle
            share = math.ceil(len(self._queue) / idle)
            self._idle -= 1
            size = min(share, self._options.max_batch_size)
            return [self._queue.popleft() for _ in range(size)]

    def _due_in_s(self) -> float | None:
        """Seconds until the waiting items should run; None while there are none."""
        if self._closing:
            return 0.0
        if not self._queue:
            return None
        if len(self._queue) >= self._options.max_batch_size:
            return 0.0
        return self._queue[0].arrived_s + self._options.max_queue_delay_s - time.monotonic()

    def _run(self, run: Runner[Item, Result], batch: list[_Pending[Item, Result]]) -> None:
        started_s = time.monotonic()
        failure: TaktError | None = None
        results: Sequence[Result] = ()
        try:
            results = run([pending.item for pending in batch])
            if len(results) != len(batch):
                failure = EngineError(f"{len(results)} results came for {len(batch)} pictures")
        except TaktError as error:
            failure = error
        except Exception as error:
            failure = EngineError(f"the engine failed on a batch: {type(error).__name__}")
            failure.__cause__ = error
        run_s = time.monotonic() - started_s
        self._seconds_per_item += 0.2 * (run_s / len(batch) - self._seconds_per_item)
        try:
            self._observer.on_batch(len(batch), run_s)
        finally:
            self._call(self._deliver, batch, results, failure, started_s, run_s)

    def _deliver(
        self,
        batch: list[_Pending[Item, Result]],
        results: Sequence[Result],
        failure: TaktError | None,
        started_s: float,
        run_s: float,
    ) -> None:
        for i, pending in enumerate(batch):
            if pending.future.done():
                continue
            if failure is not None:
                pending.future.set_exception(failure)
            else:
                queue_s = started_s - pending.arrived_s
                pending.future.set_result(Done(results[i], queue_s, run_s))

    def _drop(self, pending: _Pending[Item, Result]) -> None:
        with self._changed:
            if pending not in self._queue:
                return
            self._queue.remove(pending)
        self._observer.on_dropped()

    def _fail_waiting(self, error: TaktError) -> None:
        with self._changed:
            waiting = list(self._queue)
            self._queue.clear()
        self._call(self._deliver, waiting, (), error, 0.0, 0.0)

    def _call(self, function: Callable[..., None], *args: object) -> None:
        """Call on the event loop; a loop that has closed has nobody left to answer."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *args)

    def _seconds_until_room(self, waiting: int) -> int:
        seconds = waiting * self._seconds_per_item / max(1, self._alive)
        return min(60, max(1, math.ceil(seconds)))
