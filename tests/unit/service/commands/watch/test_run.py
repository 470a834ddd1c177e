from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import AsyncMock, Mock

import pytest

from takt.commands.watch.run import Watch
from takt.commands.watch.streams import WatchOptions
from takt.core.errors import NotReadyError
from takt.sources.capture import SourceError
from takt.sources.pacing import Shot, Shots
from tests.unit.service.commands.watch.fakes import ALL, FakeSource, FakeStream, watch


async def test_every_shot_of_a_source_is_sent_and_told_by_its_name(fake_time, make_shots) -> None:
    stream = FakeStream()
    source = FakeSource(lambda: make_shots("a", "b", "c"))
    figures, told = await watch(source, stream, fake_time)
    assert stream.sent == told == ["a", "b", "c"]
    assert (figures.stats.frames, figures.stats.answered) == (3, 3)


async def test_a_limit_ends_an_endless_source(fake_time) -> None:
    async def endless() -> Shots:
        while True:
            yield Shot("x", 0, b"")

    options = WatchOptions("all", limit=5)
    figures, _ = await watch(FakeSource(endless), FakeStream(), fake_time, options)
    assert figures.stats.answered == 5


async def test_a_broken_source_is_told_after_the_answers(fake_time) -> None:
    async def broken() -> Shots:
        yield Shot("a", 0, b"")
        raise SourceError("it broke")

    stream = FakeStream()
    with pytest.raises(SourceError, match="it broke"):
        await watch(FakeSource(broken), stream, fake_time)
    assert stream.sent == ["a"]


@pytest.mark.parametrize("live", [True, False])
async def test_a_broken_stream_ends_the_watch(fake_time, live: bool) -> None:
    stream = FakeStream()

    async def endless() -> Shots:
        yield Shot("a", 0, b"")
        stream.fail(NotReadyError("no server"))
        await asyncio.get_running_loop().create_future()

    options = WatchOptions("latest" if live else "all")
    with pytest.raises(NotReadyError, match="no server"):
        await watch(FakeSource(endless, live=live), stream, fake_time, options)


async def test_a_live_source_is_read_on_while_a_shot_cannot_be_sent(fake_time) -> None:
    stream = FakeStream(room=1)

    async def live() -> Shots:
        for name in "abcdef":
            yield Shot(name, 0, b"")
            await asyncio.sleep(0)
        stream.room.release()
        stream.room.release()

    options = WatchOptions("latest")
    figures, told = await watch(FakeSource(live, live=True), stream, fake_time, options)
    assert told == ["a", "b", "f"]
    assert (figures.stats.frames, figures.stats.answered, figures.stats.dropped) == (6, 3, 3)


async def test_fps_spaces_a_recording_and_thins_a_live_source(fake_time, make_shots) -> None:
    async def live() -> Shots:
        for number in range(10):
            yield Shot(str(number), 0, b"")
            fake_time.now_s += 0.1

    options = WatchOptions("all", fps=2.0)
    source = FakeSource(lambda: make_shots("a", "b", "c"))
    _, told = await watch(source, FakeStream(), fake_time, options)
    assert told == ["a", "b", "c"]
    assert fake_time.slept == pytest.approx([0.5, 0.5])
    _, told = await watch(FakeSource(live, live=True), FakeStream(), fake_time, options)
    assert told == ["0", "5"]


async def test_the_time_that_the_stream_takes_to_close_is_no_part_of_the_figures(
    fake_time, make_shots
) -> None:
    report = Mock(tell=AsyncMock())
    source = FakeSource(lambda: make_shots("a"))
    watching = Watch(source, report, ALL, fake_time.clock, lambda notice: None)

    @asynccontextmanager
    async def closing() -> AsyncIterator[FakeStream]:
        yield FakeStream()
        fake_time.now_s += 100

    await watching.run(closing())
    watching.sum_up()
    (figures,) = report.sum_up.call_args.args
    assert figures.stats.seconds == 0


async def test_a_shot_whose_answer_is_there_has_been_counted(fake_time) -> None:
    """Also where sending it is interrupted after it has gone out."""

    stop = asyncio.Event()

    class Interrupted(FakeStream):
        async def send(self, shot: Shot) -> None:
            await super().send(shot)
            stop.set()
            await asyncio.get_running_loop().create_future()

    async def endless() -> Shots:
        while True:
            yield Shot("a", 0, b"")

    figures, told = await watch(FakeSource(endless), Interrupted(), fake_time, stop=stop)
    assert told == ["a"]
    assert (figures.stats.frames, figures.stats.answered) == (1, 1)


async def test_the_wait_of_a_live_shot_counts_from_its_capture(fake_time) -> None:
    """Also while it waits here for room."""
    stream = FakeStream(room=1)

    async def live() -> Shots:
        yield Shot("a", 0, b"")
        await asyncio.sleep(0)
        yield Shot("b", 0, b"")
        fake_time.now_s += 8.6
        stream.room.release()

    figures, _ = await watch(FakeSource(live, live=True), stream, fake_time, WatchOptions("latest"))
    assert figures.waiting_ms.p99 == pytest.approx(8600.0)
