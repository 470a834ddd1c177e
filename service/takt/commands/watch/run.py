"""The loop of a watch: shots from a source, through a stream, and their outcomes to a report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing

from takt.commands.watch.figures import WatchFigures, WatchTally
from takt.commands.watch.report import WatchReport
from takt.commands.watch.streams import OpenStream, ShotStream, WatchOptions
from takt.core.errors import TaktError
from takt.sources.pacing import RateLimit, Shots, WatchClock, newest, paced, timed
from takt.sources.sources import ShotSource

GRACE_S = 10.0
"""Longest wait for answers after the watch was told to stop; a server may be away."""


class Watch:
    """Watches a source until it ends, or until it is told to stop.

    >>> from contextlib import nullcontext
    >>> from unittest.mock import AsyncMock, Mock
    >>> from takt.sources.pacing import Shot
    >>> from takt.streaming.outcomes import DroppedFrame
    >>> async def shots():
    ...     yield Shot("part", captured_us=0, picture=b"a jpeg")
    >>> async def outcomes():
    ...     yield DroppedFrame(sequence=0, dropped=1)
    >>> source, stream = Mock(live=False, shots=shots), AsyncMock(outcomes=outcomes)
    >>> report = WatchReport(print, table=None, save=None)
    >>> watch = Watch(source, report, WatchOptions("all"), WatchClock(), notice=print)
    >>> asyncio.run(watch.run(nullcontext(stream)))
    {"type":"dropped","sequence":0,"dropped":1,"name":"part","saved":null}
    >>> watch.figures.stats.frames
    1

    Args:
        source: source of the shots.
        report: report of the outcomes.
        options: options of the watch.
        clock: clock that paces the shots.
        notice: prints a message that is no outcome.
        grace_s: longest wait for answers after `stop`.

    Attributes:
        options: options of the watch.
        tally: counts and times of the shots so far.
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
        self.options = options
        self._clock = clock
        self._notice = notice
        self._grace_s = grace_s
        self._sent = 0
        self.tally = WatchTally(clock.now_s)
        self._taken: dict[int, tuple[str, float]] = {}
        self._sending: asyncio.Task[None] | None = None
        self._time_limit: asyncio.Timeout | None = None
        self._ended: WatchFigures | None = None

    @property
    def begun(self) -> bool:
        """Whether shots are taken, or were."""
        return self._sending is not None

    @property
    def loses_shots(self) -> bool:
        """Whether the source goes on while no shot is taken, and nobody counts what is lost."""
        return self._source.live and self.options.policy == "all"

    @property
    def figures(self) -> WatchFigures:
        """Of all shots, those too that were replaced before they were sent; so far, or at the end.

        The stream's closing may take long, and is no part of the watch.
        """
        return self._ended or self.tally.figures()

    def sum_up(self) -> None:
        """Has the figures reported."""
        self._report.sum_up(self.figures)

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

    async def run(self, connecting: AbstractAsyncContextManager[ShotStream]) -> None:
        """Watches the source; shots that were sent before the end are still answered and reported.

        Args:
            connecting: opens the stream that inspects the shots.

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
                self._ended = self.tally.figures()

    async def run_or_fail(self, open_stream: OpenStream) -> bool:
        """Watches the source beside others; tells at once what makes it fail, and returns False."""
        try:
            await self.run(open_stream(self.options))
        except TaktError as error:
            self._notice(f"{error}; it is not watched any more")
            return False
        return True

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
                self._taken[number] = shot.name, shot.taken_s
                await stream.send(shot)
                self._count_sent(number)
                number += 1
                if number == self.options.limit:
                    return

    def _shots(self) -> Shots:
        shots, live = self._source.shots(), self._source.live
        if self.options.fps is not None:
            shots = paced(shots, RateLimit(self.options.fps, self._clock), live=live)
        shots = timed(shots, self._clock)
        if live and self.options.policy == "latest":
            shots = newest(shots, self.tally.leave_out)
        return shots

    def _count_sent(self, number: int) -> None:
        """Counts shots up to this one; its answer may come before `send` returns."""
        while self._sent <= number:
            self.tally.arrived()
            self._sent += 1

    async def _tell(self, stream: ShotStream) -> None:
        async for outcome in stream.outcomes():
            self._count_sent(outcome.sequence)
            name, taken_s = self._taken.pop(outcome.sequence)
            times = self.tally.add(outcome, taken_s)
            await self._report.tell(name, outcome, times)


class Watches:
    """Watches several sources at once, each by a stream of its own; one that fails ends alone.

    Args:
        watches: the watches.
    """

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = watches
        self._opening: asyncio.Timeout | None = None

    @property
    def left_out(self) -> int:
        """Shots so far that newer ones replaced before they were sent."""
        return sum(watch.tally.left_out for watch in self._watches)

    def kept(self) -> str:
        """What becomes of frames, beside those that newer ones replaced, while a server is away."""
        if not any(watch.begun for watch in self._watches):
            return "no frame was taken meanwhile"
        if any(watch.loses_shots for watch in self._watches):
            return "what was taken is sent, what the camera gave meanwhile may be lost (policy all)"
        return "frames without an answer are sent again"

    def sum_up(self) -> None:
        """Has the figures of all watches reported."""
        for watch in self._watches:
            watch.sum_up()

    def stop(self) -> None:
        """Ends all watches, or the wait for what inspects the shots."""
        if self._opening is not None:
            self._opening.reschedule(asyncio.get_running_loop().time())
        for watch in self._watches:
            watch.stop()

    async def run(self, opening: AbstractAsyncContextManager[OpenStream]) -> int:
        """Watches until all sources have ended; how many of several failed.

        Args:
            opening: opens what inspects the shots.

        Raises:
            TaktError: nothing inspects the shots, or the only watch failed.
        """
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(None) as self._opening:
                    open_stream = await stack.enter_async_context(opening)
            except TimeoutError:
                if self._opening is None or not self._opening.expired():
                    raise
                return 0
            finally:
                self._opening = None
            if len(self._watches) == 1:
                await self._watches[0].run(open_stream(self._watches[0].options))
                return 0
            async with asyncio.TaskGroup() as group:
                running = [
                    group.create_task(watch.run_or_fail(open_stream)) for watch in self._watches
                ]
        return sum(not task.result() for task in running)
