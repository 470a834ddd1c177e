"""An event loop on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from takt_client.errors import RequestError
from takt_client.stream import LEFT

T = TypeVar("T")


class LoopThread:
    """An event loop on a thread of its own, for one stream."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._stopped = False
        self._submitting = threading.Lock()
        threading.Thread(target=self._work, name="takt-stream-loop", daemon=True).start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine; an interrupted wait cancels it.

        Raises:
            RequestError: the loop was stopped.
        """
        with self._submitting:
            if self._stopped:
                work.close()
                raise RequestError(LEFT)
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """Take no more work; the thread ends with the work that it has."""
        with self._submitting:
            self._stopped = True
        self._loop.call_soon_threadsafe(self._stopping.set)

    def _work(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        await self._stopping.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others)
