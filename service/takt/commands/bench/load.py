"""Loops that generate load, closed and open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Protocol

from takt.commands.bench.clock import LoadClock
from takt.commands.bench.samples import (
    CONNECTION_FAILED,
    CUT_OFF,
    UNANSWERED,
    RequestOutcome,
    Samples,
)

_AFTER_A_FAILURE_S = 0.1
"""Wait of a closed loop's caller where there is no server; without it the loop would spin."""


class Transport(Protocol):
    """Sends requests and gives the outcome of each."""

    def ask(self, lane: int) -> Awaitable[RequestOutcome]:
        """Sends the next picture; a failure is an outcome.

        Args:
            lane: number of a closed loop's caller or of an open loop's request; chooses one of
                several connections.

        Raises:
            takt_client.TaktError: there is no point in another request; it ends the run.
        """


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of a run; the first that is met ends it, and `warmup_s` precedes `duration_s`.

    Attributes:
        warmup_s: seconds at the beginning that do not count.
        duration_s: seconds that count.
        requests: most requests, those of the warm-up included; None for any number.
        answer_s: longest wait for an answer, from the sending.
    """

    warmup_s: float
    duration_s: float
    requests: int | None
    answer_s: float

    @property
    def ends_s(self) -> float:
        """Seconds from the start to the last request."""
        return self.warmup_s + self.duration_s


class Generator:
    """Sends requests in a closed or an open loop and keeps the outcome of each.

    Args:
        transport: sends the requests.
        clock: clock of the run.
        bounds: bounds of the run.

    Attributes:
        samples: outcomes so far.
        start_s: start of the run, by its clock.
        sent: number of requests so far.
        interrupted: whether `stop` ended the run.
    """

    def __init__(self, transport: Transport, clock: LoadClock, bounds: Bounds) -> None:
        self.samples = Samples()
        self.start_s = clock.now_s()
        self._transport = transport
        self._clock = clock
        self._bounds = bounds
        self.sent = 0
        self.interrupted = False
        self._sending: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[object]] = set()
        self._failure: BaseException | None = None

    @property
    def in_flight(self) -> int:
        """Number of requests without an answer yet."""
        return self.sent - len(self.samples)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return self._clock.now_s() - self.start_s

    def stop(self) -> None:
        """Sends nothing more and cancels the requests under way; the loop then returns."""
        self.interrupted = True
        if self._sending is not None:
            self._sending.cancel()
        for task in self._under_way:
            task.cancel()

    async def closed(self, concurrency: int) -> None:
        """Runs a number of callers; each waits for its answer before it sends again."""

        async def worker(lane: int) -> None:
            while self._may_send(self.elapsed_s):
                now_s = self._clock.now_s()
                self.sent += 1
                if await self._one(lane, now_s, now_s) == CONNECTION_FAILED:
                    await asyncio.sleep(_AFTER_A_FAILURE_S)

        async def work() -> None:
            for lane in range(concurrency):
                self._begin(worker(lane))
            await asyncio.wait(self._under_way)

        await self._run(work())

    async def open(self, offsets_s: Iterator[float]) -> None:
        """Sends a request at each of these moments, whether earlier ones are answered or not."""

        async def send() -> None:
            for number, offset_s in enumerate(offsets_s):
                if not self._may_send(offset_s):
                    return
                intended_s = self.start_s + offset_s
                if intended_s > self._clock.now_s():
                    await self._clock.sleep_until(intended_s)
                else:
                    # Behind: what is due goes out at once, but answers must be read meanwhile.
                    await asyncio.sleep(0)
                self.sent += 1
                self._begin(self._one(number, intended_s, self._clock.now_s()))

        await self._run(send())

    def _may_send(self, offset_s: float) -> bool:
        requests = self._bounds.requests
        enough = requests is not None and self.sent >= requests
        return not self.interrupted and not enough and offset_s < self._bounds.ends_s

    async def _run(self, sending: Coroutine[None, None, None]) -> None:
        self.start_s = self._clock.now_s()
        self._sending = asyncio.create_task(sending)
        try:
            await asyncio.wait({self._sending})
            while self._under_way:  # each has a timeout of its own, so this ends
                await asyncio.wait(self._under_way)
        finally:
            self._sending.cancel()
            for task in self._under_way:
                task.cancel()
            await asyncio.wait({self._sending, *self._under_way})
        if not self._sending.cancelled():
            self._sending.result()
        if self._failure is not None:
            raise self._failure

    def _begin(self, work: Coroutine[None, None, object]) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[object]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failure = self._failure or failure
            self.stop()

    async def _one(self, lane: int, intended_s: float, turned_to_s: float) -> str:
        """Sends a request, keeps its outcome and returns its code."""
        try:
            async with asyncio.timeout(self._bounds.answer_s):
                outcome = await self._transport.ask(lane)
        except TimeoutError:
            outcome = RequestOutcome(self._clock.now_s(), 0, UNANSWERED)
        except asyncio.CancelledError:
            cut_off = RequestOutcome(self._clock.now_s(), 0, CUT_OFF)
            self.samples.add(self.start_s, intended_s, turned_to_s, cut_off)
            raise
        self.samples.add(self.start_s, intended_s, turned_to_s, outcome)
        return outcome.code
