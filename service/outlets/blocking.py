"""What blocks is done beside the loop, by a thread that no end waits for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def beside(what: Callable[[], T]) -> T:
    """What a call gives, or raises, that may block for long.

    The threads of a loop's executor are waited for as the loop ends, and as the process does: a
    network that does not answer would hold up both.

    >>> asyncio.run(beside(lambda: 7))
    7
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        try:
            found = what()
        except Exception as error:
            _tell(loop, done, partial(done.set_exception, error))
        else:
            _tell(loop, done, partial(done.set_result, found))

    threading.Thread(target=work, name="outlet-blocking", daemon=True).start()
    return await done


def _tell(
    loop: asyncio.AbstractEventLoop, done: asyncio.Future[T], settle: Callable[[], None]
) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(lambda: None if done.done() else settle())
