"""What blocks is done beside the loop, by a thread that no end waits for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def beside(what: Callable[[], T]) -> T:
    """What a call gives, or raises, that may block for long.

    The threads of a loop's executor are waited for as the loop ends, and as the process does: a
    network that does not answer would hold up both.

    >>> asyncio.run(beside(lambda: 7))
    7
    """
    done: Future[T] = Future()
    # Who waits may be cancelled, and what blocks goes on.
    done.set_running_or_notify_cancel()

    def work() -> None:
        try:
            found = what()
        except Exception as error:
            done.set_exception(error)
        else:
            done.set_result(found)

    threading.Thread(target=work, name="outlet-blocking", daemon=True).start()
    return await asyncio.wrap_future(done)
