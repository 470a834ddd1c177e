"""An event loop for a process that has none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_Made = TypeVar("_Made")


class EventLoopThread:
    """An event loop on a thread of its own, until it is stopped."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="takt-loop", daemon=True
        )
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _Made]) -> _Made:
        """The result of a coroutine; blocks the calling thread meanwhile."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        """Ends the thread; nothing may run on it any more."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
