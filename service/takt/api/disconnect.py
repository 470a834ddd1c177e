"""Cancellation of the work for a client that has disconnected."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from fastapi import Request

from takt.core.errors import ClientGoneError

_PATIENCE_S = 0.02
"""Seconds from the body to the first look for a disconnect; most answers are sent by then."""


class CancelOnDisconnect:
    """Cancels the block of an `async with` when the client disconnects.

    >>> async def disconnected():
    ...     return {"type": "http.disconnect"}
    >>> async def answer():
    ...     async with CancelOnDisconnect(Request({"type": "http"}, disconnected)) as disconnect:
    ...         disconnect.watch()
    ...         await asyncio.sleep(60)
    >>> asyncio.run(answer())
    Traceback (most recent call last):
    takt.core.errors.ClientGoneError: the caller hung up before the answer was there

    Args:
        request: whose client is watched.

    Raises:
        ClientGoneError: from the block, instead of the cancellation.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._task: asyncio.Task[object] | None = None
        self._later: asyncio.TimerHandle | None = None
        self._watch: asyncio.Task[None] | None = None
        self._gone = False

    def watch(self) -> None:
        """Begin to watch, after the request's body was read: both read the same messages."""
        self._later = asyncio.get_running_loop().call_later(_PATIENCE_S, self._begin)

    def _begin(self) -> None:
        self._watch = asyncio.create_task(self._wait())

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._later is not None:
            self._later.cancel()
        if self._watch is not None:
            self._watch.cancel()
        # A cancelled task keeps a frame that refers to this object: leave no cycle behind.
        task, self._task, self._watch, self._later = self._task, None, None, None
        if self._gone and kind is asyncio.CancelledError and task is not None:
            task.uncancel()
            raise ClientGoneError("the caller hung up before the answer was there") from None

    async def _wait(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        if self._task is not None:
            self._gone = True
            self._task.cancel()
