"""Shots of a source, and the pace at which they are taken."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from takt.core.domain import NO_LABELS, Labels, RawPicture

_FIRST_DELAY_S = 0.5
MOST_DELAY_S = 30.0
"""Longest wait before a source is tried again."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture from a source.

    Attributes:
        name: name for people and for file names, without a suffix.
        captured_us: time of capture, in µs since 1970; 0 if unknown.
        picture: encoded picture, or raw pixels.
        taken_s: when it was taken from its source, by the watch's clock.
        labels: what it shows, for the server's record.
    """

    name: str
    captured_us: int
    picture: bytes | RawPicture
    taken_s: float = 0.0
    labels: Labels = NO_LABELS


Shots = AsyncGenerator[Shot, None]
"""An iterator over shots; it must be closed if it is not read to its end."""


@dataclass(frozen=True, slots=True)
class WatchClock:
    """Source of time and chance.

    Attributes:
        now_s: seconds that only grow.
        sleep: waits for seconds.
        chance: a number from 0 up to 1, a new one each time.
    """

    now_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random


def retry_delay_s(failures: int, chance: float) -> float:
    """Seconds before a source is tried again; they double up to 30.

    >>> [retry_delay_s(failures, chance=1.0) for failures in (0, 1, 2, 100)]
    [0.5, 1.0, 2.0, 30.0]

    Args:
        failures: number of failures in a row before this one.
        chance: from 0 up to 1; shortens the delay by up to a half.
    """
    longest_s = min(_FIRST_DELAY_S * 2.0 ** min(failures, 32), MOST_DELAY_S)
    return longest_s * (0.5 + chance / 2)


class RateLimit:
    """Bounds the turns in a second; missed turns are not made up for.

    Args:
        fps: most turns in a second, over 0.
        clock: clock of the turns.
    """

    def __init__(self, fps: float, clock: WatchClock) -> None:
        self._interval_s = 1 / fps
        self._clock = clock
        self._due_s = clock.now_s()

    @property
    def early(self) -> bool:
        """Whether the next turn is still to come."""
        return self._clock.now_s() < self._due_s

    async def turn(self) -> None:
        """Waits for the next turn, and takes it."""
        now_s = self._clock.now_s()
        if now_s < self._due_s:
            await self._clock.sleep(self._due_s - now_s)
        self._due_s = max(self._due_s + self._interval_s, now_s)


async def paced(shots: Shots, rate: RateLimit, *, live: bool) -> Shots:
    """The shots at a rate: every shot in its turn, or, of a live source, those not too early."""
    async with aclosing(shots):
        async for shot in shots:
            if live and rate.early:
                continue
            await rate.turn()
            yield shot


async def timed(shots: Shots, clock: WatchClock) -> Shots:
    """The shots, each with the time at which it came."""
    async with aclosing(shots):
        async for shot in shots:
            yield replace(shot, taken_s=clock.now_s())


async def newest(shots: Shots, left_out: Callable[[], None]) -> Shots:
    """The newest shot each time; a shot that waits is replaced by the next one.

    Args:
        shots: shots of a source that does not wait.
        left_out: called for each shot that was replaced.
    """
    waiting: asyncio.Queue[Shot | None] = asyncio.Queue()

    async def read() -> None:
        try:
            async with aclosing(shots):
                async for shot in shots:
                    if not waiting.empty():
                        waiting.get_nowait()
                        left_out()
                    waiting.put_nowait(shot)
        finally:
            waiting.put_nowait(None)

    reading = asyncio.create_task(read())
    try:
        while (shot := await waiting.get()) is not None:
            yield shot
        await reading
    finally:
        reading.cancel()
        await asyncio.wait({reading})
