"""The loop of a watch: shots out of a source, into a stream, and their outcomes into a report."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from service.streaming.figures import Figures, Tally
from service.streaming.outcomes import Dropped
from service.streaming.session import Policy
from service.watch.pacing import Pace, Shots, Time, newest, spaced, thinned
from service.watch.report import Report
from service.watch.sources import Source
from service.watch.streams import Stream


@dataclass(frozen=True, slots=True)
class Plan:
    """How shots are taken from the source.

    Attributes:
        policy: of `latest`, a newer shot replaces one that cannot be sent yet.
        fps: most shots in a second; a live source's in between are left out.
        limit: end after so many shots.
    """

    policy: Policy
    fps: float | None
    limit: int | None


class Watch:
    """Watches a source until it ends, or until it is told to stop.

    Args:
        source: of shots.
        stream: inspects them.
        report: is told of them.
        plan: see there.
        clock: paces them.
    """

    def __init__(
        self, source: Source, stream: Stream, report: Report, plan: Plan, clock: Time
    ) -> None:
        self._source = source
        self._stream = stream
        self._report = report
        self._plan = plan
        self._clock = clock
        self._tally = Tally()
        self._names: dict[int, str] = {}

    async def run(self, stop: asyncio.Event) -> Figures:
        """Watch; what was sent when it ends is still answered and told.

        Args:
            stop: ends it when set.

        Returns:
            The figures of all shots, those that were replaced before they were sent included.

        Raises:
            TaktError: the source, the stream or the report cannot go on.
        """
        feeding = asyncio.create_task(self._feed())
        telling = asyncio.create_task(self._tell())
        stopping = asyncio.create_task(stop.wait())
        tasks: set[asyncio.Task[object]] = {feeding, telling, stopping}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not telling.done():
                feeding.cancel()
                await asyncio.wait({feeding})
                await self._stream.finish()
            await telling
            if not feeding.cancelled():
                await feeding
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._tally.figures()

    async def _feed(self) -> None:
        async with aclosing(self._shots()) as shots:
            number = 0
            async for shot in shots:
                self._names[number] = shot.name
                await self._stream.send(shot)
                self._tally.arrived()
                number += 1
                if number == self._plan.limit:
                    return

    def _shots(self) -> Shots:
        shots, live = self._source.shots(), self._source.live
        if self._plan.fps is not None:
            pace = Pace(self._plan.fps, self._clock)
            shots = thinned(shots, pace) if live else spaced(shots, pace)
        return newest(shots, self._left_out) if live and self._plan.policy == "latest" else shots

    def _left_out(self) -> None:
        """Count a shot that a newer one replaced here, as the stream counts those of its own."""
        self._tally.arrived()
        self._tally.add(Dropped(-1, self._tally.dropped + 1))

    async def _tell(self) -> None:
        async for outcome in self._stream.outcomes():
            self._tally.add(outcome)
            await self._report.tell(self._names.pop(outcome.sequence), outcome)
