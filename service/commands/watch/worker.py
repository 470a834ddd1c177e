"""A thread for calls that block, and that may not return in time when the process must end."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Worker:
    """Does one thing after another, on a thread that nobody waits for at the end.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    async def call(self, function: Callable[[], T]) -> T:
        """What the function returns or raises; cancelling leaves it to itself."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            try:
                result = function()
            except Exception as error:
                settle = _failing(future, error)
            else:
                settle = _returning(future, result)
            # A loop that has closed has nobody left who asks.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(settle)

        self._jobs.put(job)
        return await future

    def close(self, last: Callable[[], None]) -> None:
        """Do this last, without waiting for it."""
        self._jobs.put(last)
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _returning(future: asyncio.Future[T], result: T) -> Callable[[], None]:
    return lambda: None if future.done() else future.set_result(result)


def _failing(future: asyncio.Future[T], error: Exception) -> Callable[[], None]:
    return lambda: None if future.done() else future.set_exception(error)
