"""A caller that hangs up: what was under way for it is given up."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from fastapi import Request

from service.errors import ClientGoneError

_PATIENCE_S = 0.02
"""From the body to the first look whether the client is still there."""


class CancelOnDisconnect:
    """`async with`: once `watch` is called, the body is cancelled when the client goes.

    Raises:
        ClientGoneError: out of the body, instead of the cancellation.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._task: asyncio.Task[object] | None = None
        self._later: asyncio.TimerHandle | None = None
        self._watch: asyncio.Task[None] | None = None
        self._gone = False

    def watch(self) -> None:
        """Start; only after the body was read, since both read the same messages.

        Most answers are there before it is worth a look.
        """
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
        # A cancelled task keeps the frame that knows us: no cycle may be left to be collected.
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
