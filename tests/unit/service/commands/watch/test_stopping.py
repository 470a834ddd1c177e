from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from takt.commands.watch.report import WatchReport
from takt.commands.watch.run import Watch
from takt.sources.pacing import Shot, Shots
from tests.unit.service.commands.watch.fakes import ALL, FakeSource, FakeStream, watch


async def test_stopping_answers_what_was_sent_and_closes_the_source(fake_time) -> None:
    closed = []

    stop = asyncio.Event()

    async def endless() -> Shots:
        try:
            for name in "abc":
                yield Shot(name, 0, b"")
            stop.set()
            await asyncio.get_running_loop().create_future()
        finally:
            closed.append(True)

    figures, told = await watch(FakeSource(endless), FakeStream(), fake_time, stop=stop)
    assert told == ["a", "b", "c"]
    assert figures.stats.answered == 3
    assert closed == [True]


class AwayStream(FakeStream):
    """Answers nothing, since its server is away."""

    def __init__(self, finishing: asyncio.Event | None = None) -> None:
        super().__init__()
        self._finishing = finishing

    async def finish(self) -> None:
        if self._finishing is not None:
            self._finishing.set()
        await asyncio.get_running_loop().create_future()


async def test_stopping_while_the_server_is_away_waits_no_longer_than_the_grace(fake_time) -> None:
    stop = asyncio.Event()

    async def endless() -> Shots:
        yield Shot("a", 0, b"")
        stop.set()
        await asyncio.get_running_loop().create_future()

    notices: list[str] = []
    figures, _ = await watch(
        FakeSource(endless), AwayStream(), fake_time, stop=stop, notices=notices, grace_s=0.0
    )
    assert figures.stats.frames == 1
    assert notices == ["frames are unanswered 0 s after the end; given up"]


async def test_stopping_ends_the_wait_for_the_last_answers_too(fake_time, make_shots) -> None:
    stop = asyncio.Event()
    notices: list[str] = []
    await watch(
        FakeSource(lambda: make_shots("a", "b")),
        AwayStream(finishing=stop),
        fake_time,
        stop=stop,
        notices=notices,
        grace_s=0.0,
    )
    assert len(notices) == 1


async def test_stopping_before_the_stream_is_open_ends_at_once_without_a_notice(
    fake_time, make_shots
) -> None:
    stop, ended = asyncio.Event(), []

    @asynccontextmanager
    async def never() -> AsyncIterator[FakeStream]:
        stop.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append(True)
        yield FakeStream()

    report = WatchReport(lambda line: None, None, save=None)
    source = FakeSource(lambda: make_shots("a"))
    notices: list[str] = []
    watching = Watch(source, report, ALL, fake_time.clock, notices.append)
    running = asyncio.create_task(watching.run(never()))
    await stop.wait()
    watching.stop()
    await running
    assert watching.figures.stats.frames == 0
    assert (ended, notices) == ([True], [])


async def test_stopping_while_the_stream_closes_changes_nothing(fake_time, make_shots) -> None:
    report = WatchReport(lambda line: None, None, save=None)
    source = FakeSource(lambda: make_shots("a"))
    notices: list[str] = []
    watching = Watch(source, report, ALL, fake_time.clock, notices.append, grace_s=0.0)

    @asynccontextmanager
    async def closing() -> AsyncIterator[FakeStream]:
        yield FakeStream()
        watching.stop()
        for _ in range(3):
            await asyncio.sleep(0)

    await watching.run(closing())
    assert watching.figures.stats.answered == 1
    assert notices == []
