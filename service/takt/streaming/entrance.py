"""How a stream's frames enter the queue: one after another, in their order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from takt.core.domain import Inspection, RawPicture
from takt.core.errors import QueueFullError

Picture = bytes | memoryview | RawPicture
Read = Callable[[], Awaitable[bytes | RawPicture]]
Inspect = Callable[[Read], Awaitable[Inspection]]
"""Answers one picture, which it reads once there is room for it.

Raises:
    QueueFullError: there is no room.
"""

_FIRST_PAUSE_S = 0.01
_MOST_PAUSE_S = 0.05
"""Longest pause before a frame tries a full queue again."""


class Entrance:
    """Lets frames in; only the oldest tries a full queue again, and the others wait behind it.

    Args:
        inspect: answers one picture.
        patience_s: how long a frame tries a queue that others have filled; 0 for one try.
        sleep: waits between the tries.
    """

    def __init__(
        self,
        inspect: Inspect,
        patience_s: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._inspect = inspect
        self._patience_s = patience_s
        self._sleep = sleep
        self._turn = asyncio.Lock()

    async def inspect(self, picture: Picture, by: Inspect | None = None) -> Inspection:
        """Inspect a picture when its turn has come.

        Args:
            picture: to be inspected.
            by: answers it; else what answers every other one.

        Raises:
            QueueFullError: the queue stayed full.
            TaktError: any other error of the inspection.
        """
        inspect = self._inspect if by is None else by
        give_up_s = time.perf_counter() + self._patience_s
        pause_s = _FIRST_PAUSE_S
        foremost = False

        def let_next() -> None:
            nonlocal foremost
            if foremost:
                foremost = False
                self._turn.release()

        async def read() -> bytes | RawPicture:
            let_next()
            # Copied only now that there is room for it: searching for marks needs bytes.
            return bytes(picture) if isinstance(picture, memoryview) else picture

        try:
            while True:
                if not foremost:
                    await self._turn.acquire()
                    foremost = True
                try:
                    return await inspect(read)
                except QueueFullError:
                    if time.perf_counter() >= give_up_s:
                        raise
                await self._sleep(pause_s)
                pause_s = min(2 * pause_s, _MOST_PAUSE_S)
        finally:
            let_next()
