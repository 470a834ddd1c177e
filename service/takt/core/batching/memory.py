"""How many bytes pictures in flight may take, over all models, and who waits or is refused."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from concurrent.futures import Future
from typing import Any, Self

from takt.core.errors import ImageTooLargeError, MemoryFullError

_ENCODED_SHARE = 3 / 8
"""Share of the budget for pictures as they came. Who finds it used up is refused."""

_KEPT_SHARE = 1 / 8
"""Share for decoded pictures that wait to be drawn on, and for those that somebody watches. Beyond
it they are decoded twice, and not shown."""

_AT_WORK_SHARE = 1 / 2
"""Share for decoding and drawing. Whoever has a part of it gives it back without waiting for
anything else, so that whoever waits for it gets it."""

_SMALL_PART = 1 / 64
"""Part of that share that is so small that whoever wants it goes before larger ones."""

_MIB = 1024 * 1024


class MemoryBudget:
    """The memory of pictures in flight; used on one event loop.

    It counts what callers say that they take; it allocates nothing.

    >>> memory = MemoryBudget(limit_bytes=800)
    >>> with memory.encoded() as file:
    ...     file.add(200)
    ...     file.add(101)
    Traceback (most recent call last):
    takt.core.errors.ImageTooLargeError: the body has more than 300 bytes, which pictures may \
take before they are decoded; send a smaller one or raise max_memory_mb

    Args:
        limit_bytes: of everything together; `math.inf` for none.

    Attributes:
        limit_bytes: as given.
    """

    def __init__(self, limit_bytes: float = math.inf) -> None:
        self.limit_bytes = limit_bytes
        self._encoded_limit = _ENCODED_SHARE * limit_bytes
        self._kept_limit = _KEPT_SHARE * limit_bytes
        self._at_work_limit = _AT_WORK_SHARE * limit_bytes
        self._small = _SMALL_PART * self._at_work_limit
        self._encoded = self._kept = self._at_work = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def in_use_bytes(self) -> int:
        """Bytes that pictures take now."""
        return self._encoded + self._kept + self._at_work

    def encoded(self) -> EncodedBytes:
        """What a request's pictures take as they came; a context that gives all of it back."""
        return EncodedBytes(self)

    def decoded(self) -> DecodedBytes:
        """What a picture takes for decoding and drawing; a context that gives all of it back."""
        return DecodedBytes(self)

    def check_encoded(self, size: int) -> None:
        """Refuse a body of so many bytes before any of them comes, if there is no room for it.

        Raises:
            ImageTooLargeError: there never will be.
            MemoryFullError: there is none now.
        """
        if size > self._encoded_limit:
            raise ImageTooLargeError(
                f"the body has more than {self._encoded_limit:.0f} bytes, which pictures may take "
                "before they are decoded; send a smaller one or raise max_memory_mb"
            )
        if self._encoded + size > self._encoded_limit:
            raise MemoryFullError(
                "pictures that wait take all the memory that they may; send this one again later, "
                "or raise max_memory_mb or the number of servers",
                retry_after_s=1,
            )

    def _fits_work(self, size: int) -> bool:
        return self._at_work + size <= self._at_work_limit

    def _check_work(self, size: int) -> None:
        if size > self._at_work_limit:
            raise ImageTooLargeError(
                f"the picture takes some {math.ceil(size / _MIB)} MiB to decode or to draw, more "
                f"than the {int(self._at_work_limit / _MIB)} MiB that it may; send a smaller one, "
                "ask for no heatmap, or raise max_memory_mb"
            )

    async def _wait_for_work(self, size: int) -> None:
        mine = (size, asyncio.get_running_loop().create_future())
        (self._waiting.appendleft if size <= self._small else self._waiting.append)(mine)
        try:
            await mine[1]
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
                self._pass_on()  # a smaller one may wait behind
            elif not mine[1].cancelled():
                self._end_work(size)  # it came just as its owner left
            raise

    def _end_work(self, size: int) -> None:
        self._at_work -= size
        if self._waiting:
            self._pass_on()

    def _pass_on(self) -> None:
        """Give room to those who wait, in their order."""
        while self._waiting and self._fits_work(self._waiting[0][0]):
            size, future = self._waiting.popleft()
            if not future.done():
                self._at_work += size
                future.set_result(None)


class EncodedBytes:
    """The bytes of a request's pictures as they came, from the first until the answer.

    Args:
        memory: the budget.
    """

    __slots__ = ("_held", "_memory")

    def __init__(self, memory: MemoryBudget) -> None:
        self._memory = memory
        self._held = 0

    def add(self, size: int) -> None:
        """Take so many bytes more.

        Raises:
            ImageTooLargeError: the request has more than all requests together may have.
            MemoryFullError: there is no room now.
        """
        memory = self._memory
        if memory._encoded + size > memory._encoded_limit:
            memory.check_encoded(self._held + size)
        memory._encoded += size
        self._held += size

    def close(self) -> None:
        """Give everything back."""
        self._memory._encoded -= self._held
        self._held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class DecodedBytes:
    """What one picture takes for decoding and drawing.

    >>> async def decode(memory: MemoryBudget) -> int:
    ...     with memory.decoded() as room:
    ...         await room.take(400)
    ...         return memory.in_use_bytes
    >>> asyncio.run(decode(MemoryBudget(limit_bytes=800)))
    400

    Args:
        memory: the budget.
    """

    __slots__ = ("_kept", "_memory", "_taken")

    def __init__(self, memory: MemoryBudget) -> None:
        self._memory = memory
        self._taken = self._kept = 0

    def take_now(self, size: int) -> bool:
        """Take so many bytes for work; False where somebody would have to wait."""
        memory = self._memory
        if (memory._waiting and size > memory._small) or not memory._fits_work(size):
            return False
        memory._at_work += size
        self._taken += size
        return True

    async def take(self, size: int) -> None:
        """Take so many bytes for work, after those who wait already; a few bytes before them.

        Whoever has taken some gives them back before it takes more.

        Raises:
            ImageTooLargeError: it is more than all pictures together may take.
        """
        if not self.take_now(size):
            self._memory._check_work(size)
            await self._memory._wait_for_work(size)
            self._taken += size

    def give_back(self) -> None:
        """Give back what was taken for work."""
        if self._taken:
            taken, self._taken = self._taken, 0
            self._memory._end_work(taken)

    def leave_to(self, running: Future[Any]) -> None:
        """Have what was taken for work given back by a thread, when it is done."""
        memory, loop = self._memory, asyncio.get_running_loop()
        taken, self._taken = self._taken, 0

        def give_back(_: Future[Any]) -> None:
            # A loop that has closed has nobody left who counts.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(memory._end_work, taken)

        running.add_done_callback(give_back)

    def keep(self, size: int) -> bool:
        """Take so many bytes until the end, for a picture that waits; False if there are none."""
        memory = self._memory
        if memory._kept + size > memory._kept_limit:
            return False
        memory._kept += size
        self._kept += size
        return True

    def close(self) -> None:
        """Give everything back."""
        self._memory._kept -= self._kept
        self._kept = 0
        self.give_back()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
