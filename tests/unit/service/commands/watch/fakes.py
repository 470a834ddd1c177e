"""A source and a stream of a watch that need neither camera nor server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext

from takt.commands.watch.figures import WatchFigures
from takt.commands.watch.report import WatchReport
from takt.commands.watch.run import Watch
from takt.commands.watch.streams import WatchOptions
from takt.commands.watch.table import OutcomeTable
from takt.core.domain import Box, Inspection, Timings, Verdict
from takt.sources.pacing import Shot, Shots
from takt.streaming.outcomes import AnsweredFrame, Outcome

ALL = WatchOptions("all")


def answered(sequence: int) -> AnsweredFrame:
    timings = Timings(0, 0, 0, 0, 0, 0, 1.0)
    verdict = Verdict(False, 0.1, 0.5, None, ())
    seen = Inspection("parts", "1", verdict, 4, 3, Box(0, 0, 4, 3), None, timings)
    return AnsweredFrame(sequence, 0, seen, 1.0, 0, None, None)


class FakeSource:
    def __init__(self, shots: Callable[[], Shots], *, live: bool = False) -> None:
        self.live = live
        self.shots = shots


class FakeStream:
    """Answers each shot at once, while it has room."""

    def __init__(self, room: int = 1000) -> None:
        self.sent: list[str] = []
        self.room = asyncio.Semaphore(room)
        self._outcomes: asyncio.Queue[Outcome | Exception | None] = asyncio.Queue()

    async def send(self, shot: Shot) -> None:
        await self.room.acquire()
        self._outcomes.put_nowait(answered(len(self.sent)))
        self.sent.append(shot.name)

    async def finish(self) -> None:
        self._outcomes.put_nowait(None)

    def fail(self, error: Exception) -> None:
        self._outcomes.put_nowait(error)

    async def outcomes(self) -> AsyncIterator[Outcome]:
        while (outcome := await self._outcomes.get()) is not None:
            if isinstance(outcome, Exception):
                raise outcome
            yield outcome


async def watch(
    source: FakeSource,
    stream: FakeStream,
    fake_time,
    options: WatchOptions = ALL,
    stop=None,
    notices: list[str] | None = None,
    grace_s: float = 60.0,
) -> tuple[WatchFigures, list[str]]:
    lines: list[str] = []
    noticed = [] if notices is None else notices
    report = WatchReport(lines.append, OutcomeTable(lines.append), save=None)
    watching = Watch(source, report, options, fake_time.clock, noticed.append, grace_s)

    async def stop_when_told() -> None:
        await (stop or asyncio.Event()).wait()
        watching.stop()

    stopping = asyncio.create_task(stop_when_told())
    await watching.run(nullcontext(stream))
    stopping.cancel()
    assert not noticed or notices is not None
    return watching.figures, [line.split()[0] for line in lines[2:]]
