"""The loop of a watch: shots from a source, through a stream, and their outcomes to a report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing

from service.commands.watch.pacing import RateLimit, Shots, WatchClock, newest, paced
from service.commands.watch.report import WatchReport
from service.commands.watch.sources import ShotSource
from service.commands.watch.streams import ShotStream, WatchOptions
from service.streaming.outcomes import DroppedFrame
from service.streaming.statistics import StreamStatistics, Tally

GRACE_S = 10.0
"""Longest wait for answers after the watch was told to stop; a server may be away."""


class Watch:
    """Watches a source until it ends, or until it is told to stop.

    >>> from contextlib import nullcontext
    >>> from unittest.mock import AsyncMock, Mock
    >>> from service.commands.watch.pacing import Shot
    >>> async def shots():
    ...     yield Shot("part", captured_us=0, picture=b"a jpeg")
    >>> async def outcomes():
    ...     yield DroppedFrame(sequence=0, dropped=1)
    >>> source, stream = Mock(live=False, shots=shots), AsyncMock(outcomes=outcomes)
    >>> report = WatchReport(print, as_json=True, save=None)
    >>> watch = Watch(source, report, WatchOptions("all"), WatchClock(), notice=print)
    >>> asyncio.run(watch.run(nullcontext(stream))).frames
    {"type":"dropped","sequence":0,"dropped":1,"name":"part","saved":null}
    1

    Args:
        source: source of the shots.
        report: report of the outcomes.
        options: options of the watch.
        clock: clock that paces the shots.
        notice: prints a message that is no outcome.
        grace_s: longest wait for answers after `stop`.
    """

    def __init__(
        self,
        source: ShotSource,
        report: WatchReport,
        options: WatchOptions,
        clock: WatchClock,
        notice: Callable[[str], None],
        grace_s: float = GRACE_S,
    ) -> None:
        self._source = source
        self._report = report
        self._options = options
        self._clock = clock
        self._notice = notice
        self._grace_s = grace_s
        self._sent = 0
        self._tally = Tally()
        self._names: dict[int, str] = {}
        self._sending: asyncio.Task[None] | None = None
        self._time_limit: asyncio.Timeout | None = None

    def stop(self) -> None:
        """Ends the watch; answers to the shots that were sent are awaited for the grace at most."""
        if self._time_limit is None:
            return
        now_s = asyncio.get_running_loop().time()
        if self._sending is None:
            # A server that is away, or a bundle that is loading: nothing was sent.
            self._time_limit.reschedule(now_s)
        else:
            self._sending.cancel()
            self._time_limit.reschedule(now_s + self._grace_s)

    async def run(self, connecting: AbstractAsyncContextManager[ShotStream]) -> StreamStatistics:
        """Watches the source; shots that were sent before the end are still answered and reported.

        Args:
            connecting: opens the stream that inspects the shots.

        Returns:
            The figures of all shots; shots replaced before they were sent count too.

        Raises:
            TaktError: the source, the stream or the report cannot go on.
        """
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(None) as self._time_limit:
                    await self._inspect(await stack.enter_async_context(connecting))
            except TimeoutError:
                if self._time_limit is None or not self._time_limit.expired():
                    raise
                if self._sending is not None:
                    self._notice(
                        f"frames are unanswered {self._grace_s:g} s after the end; given up"
                    )
            finally:
                self._time_limit = None
            # Before the stream closes, which may take long and is no part of the watch.
            figures = self._tally.statistics()
        return figures

    async def _inspect(self, stream: ShotStream) -> None:
        sending = self._sending = asyncio.create_task(self._send(stream))
        telling = asyncio.create_task(self._tell(stream))
        try:
            await asyncio.wait({sending, telling}, return_when=asyncio.FIRST_COMPLETED)
            if not telling.done():
                await stream.finish()
            await telling
            if not sending.cancelled():
                await sending
        finally:
            sending.cancel()
            telling.cancel()
            await asyncio.gather(sending, telling, return_exceptions=True)

    async def _send(self, stream: ShotStream) -> None:
        async with aclosing(self._shots()) as shots:
            number = 0
            async for shot in shots:
                self._names[number] = shot.name
                await stream.send(shot)
                self._count_sent(number)
                number += 1
                if number == self._options.limit:
                    return

    def _shots(self) -> Shots:
        shots, live = self._source.shots(), self._source.live
        if self._options.fps is not None:
            shots = paced(shots, RateLimit(self._options.fps, self._clock), live=live)
        if live and self._options.policy == "latest":
            shots = newest(shots, self._left_out)
        return shots

    def _count_sent(self, number: int) -> None:
        """Counts shots up to this one; its answer may come before `send` returns."""
        while self._sent <= number:
            self._tally.arrived()
            self._sent += 1

    def _left_out(self) -> None:
        """Counts a shot that a newer one replaced before it was sent."""
        self._tally.arrived()
        self._tally.add(DroppedFrame(-1, self._tally.dropped + 1))

    async def _tell(self, stream: ShotStream) -> None:
        async for outcome in stream.outcomes():
            self._count_sent(outcome.sequence)
            self._tally.add(outcome)
            await self._report.tell(self._names.pop(outcome.sequence), outcome)
