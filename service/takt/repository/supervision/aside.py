"""Calls on threads that the process does not wait for at its end, unlike those of executors."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from takt.core.batching.work import settle
from takt.core.errors import EngineDiedError, TaktError

Made = TypeVar("Made")


class Aside(Generic[Made]):
    """A call on a thread of its own.

    >>> async def answer() -> int:
    ...     return await Aside(lambda: 6 * 7, "answer").result(10.0, late=TaktError("never"))
    >>> asyncio.run(answer())
    42

    Args:
        call: what the thread does.
        name: of the thread.

    Attributes:
        ended: done once the thread has ended.
        name: of the thread.
    """

    def __init__(self, call: Callable[[], Made], name: str) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.name = name
        self._call = call
        self._made: Any = None
        self._error: Exception | None = None
        threading.Thread(target=self._run, name=name, daemon=True).start()

    async def result(self, within_s: float, late: TaktError) -> Made:
        """What the call returns.

        Raises:
            TaktError: `late`, if it has not returned in time.
            Exception: whatever the call raised.
        """
        await asyncio.wait({self.ended}, timeout=within_s)
        if not self.ended.done():
            raise late
        if self._error is not None:
            raise self._error
        made: Made = self._made
        return made

    def _run(self) -> None:
        try:
            self._made = self._call()
        except Exception as error:
            self._error = error
        except BaseException as error:
            self._error = EngineDiedError(f"the engine has died: {type(error).__name__}")
        settle([self.ended], [None])
