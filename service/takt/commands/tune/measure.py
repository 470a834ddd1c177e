"""Measures engines through the batcher of the service: images/s, and the time of a picture.

Both loops are closed: each caller waits for its answer before it sends the next picture. The first
loop has twice as many callers as pictures may run, so that a picture always waits, and shows the
highest rate. The second has as many callers as pictures may run, so that none waits, and shows the
time of a picture.
"""

from __future__ import annotations

import itertools
import time
from asyncio import gather
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from takt.core.batching.batcher import Batcher
from takt.core.batching.options import BatcherOptions
from takt.core.batching.work import Unobserved
from takt.core.domain import ModelInput, ModelOutput
from takt.core.engines.base import Engine
from takt.core.engines.batches import batch_runner
from takt.core.errors import TaktError

LEAST_ANSWERS = 3
"""Fewest answers of each caller, even if the engine is slow."""

LATENCY_SHARE = 1 / 3
"""Share of the time for the loop in which no picture waits."""

_CLOSE_TIMEOUT_S = 60.0

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Round:
    """Result of one measurement.

    Attributes:
        images_per_s: rate of the loop in which a picture always waits.
        latencies_ms: times of the pictures in the loop in which none waits.
    """

    images_per_s: float
    latencies_ms: tuple[float, ...]


async def measure_round(
    engines: Sequence[Engine],
    images: Sequence[ModelInput],
    options: BatcherOptions,
    seconds: float,
    now: Clock = time.perf_counter,
) -> Round:
    """Runs both loops, each after a warm-up of one answer for each caller.

    Args:
        engines: one for each picture or batch that runs at the same time; may repeat one engine.
        images: model inputs, [H,W,3], sent in turn.
        options: options of the batcher.
        seconds: seconds to measure; longer if a caller has too few answers by then.
        now: clock in seconds.

    Raises:
        EngineError: an engine failed.
    """
    batcher: Batcher[ModelInput, ModelOutput] = Batcher(
        [batch_runner(engine) for engine in engines], options, Unobserved(), name="tune"
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
    """Counts the answers of a closed loop after its warm-up.

    Args:
        callers: number of callers of the loop.
        seconds: time after which the loop ends, once there are enough answers.
        now: clock in seconds.
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
        """Answers per second, from the last one of the warm-up to the last one that counts."""
        return len(self._latencies_s) / max(self._last_s - self._began_s, 1e-9)

    @property
    def latencies_ms(self) -> tuple[float, ...]:
        """Times of the answers that count, in the order of their arrival."""
        return tuple(latency_s * 1000 for latency_s in self._latencies_s)

    async def collect(
        self, batcher: Batcher[ModelInput, ModelOutput], images: Sequence[ModelInput]
    ) -> None:
        """Runs the callers until the loop ends.

        Raises:
            TaktError: the error of the first picture that failed.
        """
        await gather(*(self._caller(batcher, images, first) for first in range(self._callers)))
        if self._failure is not None:
            raise self._failure

    async def _caller(
        self, batcher: Batcher[ModelInput, ModelOutput], images: Sequence[ModelInput], first: int
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
