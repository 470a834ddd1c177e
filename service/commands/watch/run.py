"""The loop of a watch: shots out of a source, into a stream, and their outcomes into a report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from service.commands.watch.pacing import RateLimit, Shots, Time, newest, spaced, thinned
from service.commands.watch.report import Report
from service.commands.watch.sources import Source
from service.commands.watch.streams import Stream
from service.streaming.outcomes import DroppedFrame
from service.streaming.session import Policy
from service.streaming.statistics import StreamStatistics, Tally

GRACE_S = 10.0
"""Longest wait for answers after the watch was told to stop; a server may be away."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How shots are taken from the source.

    Attributes:
        policy: with `latest`, a newer shot replaces one that cannot be sent yet.
        fps: most shots in a second; those of a live source in between are left out.
        limit: number of shots after which the watch ends.
    """

    policy: Policy
    fps: float | None
    limit: int | None


class Watch:
    """Watches a source until it ends, or until it is told to stop.

    Args:
        source: gives the shots.
        stream: inspects the shots.
        report: is told the outcomes.
        plan: how shots are taken from the source.
        clock: paces the shots.
        notice: is told what is no outcome.
        grace_s: longest wait for answers after the end.
    """

    def __init__(
        self,
        source: Source,
        stream: Stream,
        report: Report,
        plan: Plan,
        clock: Time,
        notice: Callable[[str], None],
        grace_s: float = GRACE_S,
    ) -> None:
        self._source = source
        self._stream = stream
        self._report = report
        self._plan = plan
        self._clock = clock
        self._notice = notice
        self._grace_s = grace_s
        self._sent = 0
        self._tally = Tally()
        self._names: dict[int, str] = {}

    async def run(self, stop: asyncio.Event) -> StreamStatistics:
        """Watches the source; shots that were sent before the end are still answered and told.

        Args:
            stop: ends the watch when set; answers are then waited for no longer than the grace.

        Returns:
            The figures of all shots, with those that were replaced before they were sent.

        Raises:
            TaktError: the source, the stream or the report cannot go on.
        """
        feeding = asyncio.create_task(self._feed())
        telling = asyncio.create_task(self._tell())
        stopping = asyncio.create_task(stop.wait())
        tasks: set[asyncio.Task[object]] = {feeding, telling, stopping}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            ending = asyncio.create_task(self._end(feeding, telling))
            tasks.add(ending)
            await asyncio.wait({ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                await asyncio.wait({ending}, timeout=self._grace_s)
            if ending.done():
                await ending
            else:
                self._notice(f"frames are unanswered {self._grace_s:g} s after the end; given up")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._tally.statistics()

    async def _end(self, feeding: asyncio.Task[None], telling: asyncio.Task[None]) -> None:
        """Sends no more, and tell the answers that still come."""
        if not telling.done():
            feeding.cancel()
            await asyncio.wait({feeding})
            await self._stream.finish()
        await telling
        if not feeding.cancelled():
            await feeding

    async def _feed(self) -> None:
        async with aclosing(self._shots()) as shots:
            number = 0
            async for shot in shots:
                self._names[number] = shot.name
                await self._stream.send(shot)
                self._count_sent(number)
                number += 1
                if number == self._plan.limit:
                    return

    def _shots(self) -> Shots:
        shots, live = self._source.shots(), self._source.live
        if self._plan.fps is not None:
            rate = RateLimit(self._plan.fps, self._clock)
            shots = thinned(shots, rate) if live else spaced(shots, rate)
        return newest(shots, self._left_out) if live and self._plan.policy == "latest" else shots

    def _count_sent(self, number: int) -> None:
        """Counts shots up to this one; its answer may come before `send` returns."""
        while self._sent <= number:
            self._tally.arrived()
            self._sent += 1

    def _left_out(self) -> None:
        """Counts a shot that a newer one replaced before it was sent."""
        self._tally.arrived()
        self._tally.add(DroppedFrame(-1, self._tally.dropped + 1))

    async def _tell(self) -> None:
        async for outcome in self._stream.outcomes():
            self._count_sent(outcome.sequence)
            self._tally.add(outcome)
            await self._report.tell(self._names.pop(outcome.sequence), outcome)
