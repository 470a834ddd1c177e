"""Measures engines through the very batcher that serves: images/s, and how long a picture takes.

Both loops are closed: each caller waits for its answer before it comes with the next picture. With
twice as many callers as pictures may run, there is always one that waits, which shows the most that
the engines do. With just as many, none waits, which shows how long a picture takes.
"""

from __future__ import annotations

import itertools
import time
from asyncio import gather
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.batching.batcher import Batcher, BatcherOptions
from service.domain import DropReason, Image, ModelOutput
from service.engines.base import Engine
from service.engines.batches import batch_runner
from service.errors import TaktError

LEAST_ANSWERS = 3
"""Of each caller, however slow the engine is."""

LATENCY_SHARE = 1 / 3
"""Of the time, for the loop in which no picture waits."""

_CLOSE_TIMEOUT_S = 60.0

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Round:
    """What one measurement found.

    Attributes:
        images_per_s: while there was always a picture that waited.
        latencies_ms: of pictures, while none waited.
    """

    images_per_s: float
    latencies_ms: tuple[float, ...]


async def measure_round(
    engines: Sequence[Engine],
    images: Sequence[Image],
    options: BatcherOptions,
    seconds: float,
    now: Clock = time.perf_counter,
) -> Round:
    """Run both loops, each after a warm-up of an answer for each caller.

    Args:
        engines: one for each picture or batch that may run at the same time; may be the same one.
        images: model inputs, uint8 [H,W,3], sent in turn.
        options: of the batcher.
        seconds: that count; more if the engines are so slow that callers have had few answers.
        now: a clock in seconds.

    Raises:
        EngineError: an engine failed.
    """
    batcher: Batcher[Image, ModelOutput] = Batcher(
        [batch_runner(engine) for engine in engines], options, _Unwatched(), name="tune"
    )
    places = len(engines) * options.max_batch_size
    try:
        full = _Tally(2 * places, seconds * (1 - LATENCY_SHARE), now)
        await full.collect(batcher, images)
        lone = _Tally(places, seconds * LATENCY_SHARE, now)
        await lone.collect(batcher, images)
    finally:
        await batcher.close(_CLOSE_TIMEOUT_S)
    return Round(full.per_s, lone.latencies_ms)


class _Tally:
    """Counts the answers of a closed loop, from the end of its warm-up on.

    Args:
        callers: that the loop has.
        seconds: after which it ends, if each has had its least answers.
        now: a clock in seconds.
    """

    def __init__(self, callers: int, seconds: float, now: Clock) -> None:
        self._callers = callers
        self._seconds = seconds
        self._now = now
        self._warming = callers
        self._began_s = self._last_s = 0.0
        self._latencies_s: list[float] = []
        self._over = False
        self._failure: TaktError | None = None

    @property
    def per_s(self) -> float:
        """Answers a second: from the last one of the warm-up to the last one that counts."""
        return len(self._latencies_s) / max(self._last_s - self._began_s, 1e-9)

    @property
    def latencies_ms(self) -> tuple[float, ...]:
        """Of the answers that count, in the order in which they came."""
        return tuple(latency_s * 1000 for latency_s in self._latencies_s)

    async def collect(self, batcher: Batcher[Image, ModelOutput], images: Sequence[Image]) -> None:
        """Let the callers come until it is over.

        Raises:
            TaktError: what the first picture that failed came back with.
        """
        await gather(*(self._caller(batcher, images, first) for first in range(self._callers)))
        if self._failure is not None:
            raise self._failure

    async def _caller(
        self, batcher: Batcher[Image, ModelOutput], images: Sequence[Image], first: int
    ) -> None:
        turn = itertools.islice(itertools.cycle(images), first % len(images), None)
        while not self._over:
            asked_s = self._now()
            try:
                await batcher.submit(next(turn))
            except TaktError as error:
                self._failure, self._over = self._failure or error, True
            else:
                self._answered(asked_s, self._now())

    def _answered(self, asked_s: float, answered_s: float) -> None:
        if self._over:
            return
        if self._warming:
            self._warming -= 1
            self._began_s = answered_s
            return
        self._latencies_s.append(answered_s - asked_s)
        self._last_s = answered_s
        self._over = (
            answered_s - self._began_s >= self._seconds
            and len(self._latencies_s) >= LEAST_ANSWERS * self._callers
        )


class _Unwatched:
    """An observer that keeps nothing."""

    def on_batch(self, size: int, run_s: float) -> None:
        """A batch ran."""

    def on_dropped(self, reason: DropReason) -> None:
        """Nobody gives up here."""
