"""What an engine's thread does: a batch of items that waited, or a job that a caller brings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from takt.core.batching.priority_queue import Waiter
from takt.core.domain import DropReason
from takt.core.errors import ClientGoneError, EngineError, EngineMemoryError, TaktError

NO_MEMORY = (
    "the engine found no memory for the picture, not even alone; send it again later, and remove "
    "versions that nobody uses or give the server more memory if it stays so"
)

Item = TypeVar("Item")
Result = TypeVar("Result")


class Done(NamedTuple, Generic[Result]):
    """An item's result, and the seconds that the item waited and ran."""

    result: Result
    queue_s: float
    run_s: float


Runner = Callable[[list[Item]], Sequence[Result]]
"""Runs one batch and answers as many results, in order; called from its own thread."""

Run = Callable[[list[Item]], tuple[Sequence[Result], float]]
"""Runs one batch; gives the results, in order, and the seconds that it ran.

Raises:
    TaktError: the batch failed.
"""

RunOne = Callable[[Item], Done[Result]]
"""Runs a single item on the thread of a job."""


class Observer(Protocol):
    """Hears what a batcher does; called from its threads."""

    def on_batch(self, size: int, run_s: float) -> None:
        """A batch ran."""

    def on_dropped(self, reason: DropReason) -> None:
        """An item was given up before it ran: its deadline passed, or its caller left."""

    def on_error(self) -> None:
        """One of the others has raised an error."""


class Unobserved:
    """Hears nothing."""

    def on_batch(self, size: int, run_s: float) -> None:
        """Nothing."""

    def on_dropped(self, reason: DropReason) -> None:
        """Nothing."""

    def on_error(self) -> None:
        """Nothing."""


class Batch(Generic[Item, Result]):
    """Items that run together; each waiter gets its own result, or the error of all."""

    def __init__(self, waiters: list[Waiter]) -> None:
        self._waiters = waiters

    @property
    def size(self) -> int:
        """Items in it."""
        return len(self._waiters)

    def run(self, run: Run[Item, Result]) -> None:
        """Run the items and answer their callers."""
        started_s = time.monotonic()
        try:
            results, run_s = run([waiter.item for waiter in self._waiters])
        except TaktError as error:
            self.fail(error)
            return
        settle(
            [waiter.future for waiter in self._waiters],
            [
                Done(result, started_s - waiter.arrived_s, run_s)
                for waiter, result in zip(self._waiters, results, strict=True)
            ],
        )

    def fail(self, error: TaktError) -> None:
        """Answer every caller by an error."""
        fail([waiter.future for waiter in self._waiters], error)


class Job(Generic[Item, Result]):
    """A caller's function that runs on an engine's thread; it may run one item there.

    Args:
        function: gets what runs an item.
        observer: hears of a caller that left before the item ran.

    Attributes:
        future: gets what the function returns.
        size: items in it.
    """

    size = 1

    def __init__(
        self, function: Callable[[RunOne[Item, Result]], object], observer: Observer
    ) -> None:
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._function = function
        self._observer = observer

    def run(self, run: Run[Item, Result]) -> None:
        """Call the function, unless its caller has gone, and answer by what it returns."""

        def run_one(item: Item) -> Done[Result]:
            if self.future.cancelled():
                self._observer.on_dropped("abandoned")
                raise ClientGoneError("the caller has gone")
            results, run_s = run([item])
            return Done(results[0], 0.0, run_s)

        if self.future.cancelled():
            self._observer.on_dropped("abandoned")
            return
        try:
            result = self._function(run_one)
        except Exception as error:
            self.fail(error)
        else:
            settle([self.future], [result])

    def fail(self, error: Exception) -> None:
        """Answer the caller by an error."""
        fail([self.future], error)


def run_checked(runner: Runner[Item, Result], items: list[Item]) -> Sequence[Result]:
    """Run a batch; whatever goes wrong becomes an error of ours, which leaks nothing.

    Raises:
        TaktError: the batch failed.
    """
    try:
        results = runner(items)
        if len(results) != len(items):
            raise EngineError(f"{len(results)} results came for {len(items)} pictures")
        return results
    except TaktError:
        raise
    except MemoryError as error:
        raise EngineMemoryError(NO_MEMORY) from error
    except Exception as error:
        raise EngineError(f"the engine failed on a batch: {type(error).__name__}") from error


def settle(callers: Sequence[asyncio.Future[Any]], outcomes: Sequence[object]) -> None:
    """Give each caller its result or its error, unless it has gone; from any thread."""

    def set_all() -> None:
        for future, outcome in zip(callers, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    if not callers:
        return
    try:
        callers[0].get_loop().call_soon_threadsafe(set_all)
    except RuntimeError:
        return  # a loop that has closed has nobody left to answer


def fail(callers: Sequence[asyncio.Future[Any]], error: Exception) -> None:
    """Give every caller the same error; from any thread."""
    settle(callers, [error] * len(callers))
