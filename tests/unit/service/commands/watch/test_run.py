from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext

import pytest

from service.commands.watch.capture import SourceError
from service.commands.watch.figures import WatchFigures
from service.commands.watch.pacing import Shot, Shots
from service.commands.watch.report import WatchReport
from service.commands.watch.run import Watch, Watches
from service.commands.watch.streams import WatchOptions
from service.commands.watch.table import OutcomeTable
from service.domain import Box, Inspection, Timings, Verdict
from service.errors import NotReadyError
from service.streaming.outcomes import AnsweredFrame, Outcome

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
    figures = await watching.run(nullcontext(stream))
    stopping.cancel()
    assert not noticed or notices is not None
    return figures, [line.split()[0] for line in lines[2:]]


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
    assert (await running).stats.frames == 0
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

    assert (await watching.run(closing())).stats.answered == 1
    assert notices == []


async def test_the_time_that_the_stream_takes_to_close_is_no_part_of_the_figures(
    fake_time, make_shots
) -> None:
    report = WatchReport(lambda line: None, None, save=None)
    source = FakeSource(lambda: make_shots("a"))
    watching = Watch(source, report, ALL, fake_time.clock, lambda notice: None)

    @asynccontextmanager
    async def closing() -> AsyncIterator[FakeStream]:
        yield FakeStream()
        fake_time.now_s += 100

    assert (await watching.run(closing())).stats.seconds == 0


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


class Several:
    """Watches of several sources, and what is told of them."""

    def __init__(self, fake_time, *sources: FakeSource) -> None:
        self.lines: list[str] = []
        self.notices: list[str] = []
        self.streams = [FakeStream() for _ in sources]
        self._left = list(self.streams)
        table = OutcomeTable(self.lines.append, ("0", "1"))
        self.watches = Watches(
            [
                Watch(
                    source,
                    WatchReport(self.lines.append, table, save=None, station=str(number)),
                    WatchOptions("latest" if source.live else "all", station=str(number)),
                    fake_time.clock,
                    self.notices.append,
                    grace_s=0.0,
                )
                for number, source in enumerate(sources)
            ]
        )

    async def run(self) -> int:
        return await self.watches.run(nullcontext(self._open))

    @asynccontextmanager
    async def _open(self, options: WatchOptions) -> AsyncIterator[FakeStream]:
        assert options.station is not None
        yield self.streams[int(options.station)]


async def test_several_sources_have_a_stream_each_and_each_row_says_which(
    fake_time, make_shots
) -> None:
    several = Several(
        fake_time, *(FakeSource(lambda names=names: make_shots(*names)) for names in ("ab", "c"))
    )
    assert await several.run() == 0
    assert [stream.sent for stream in several.streams] == [["a", "b"], ["c"]]
    rows = [line.split()[:2] for line in several.lines[2:]]
    assert sorted(rows) == [["0", "a"], ["0", "b"], ["1", "c"]]


async def test_a_source_that_fails_is_told_at_once_and_does_not_end_the_others(fake_time) -> None:
    failed = asyncio.Event()

    async def broken() -> Shots:
        failed.set()
        raise SourceError("it broke")
        yield Shot("never", 0, b"")

    async def goes_on() -> Shots:
        await failed.wait()
        for name in "abc":
            yield Shot(name, 0, b"")

    several = Several(fake_time, FakeSource(broken), FakeSource(goes_on))
    assert await several.run() == 1
    assert several.notices == ["it broke; it is not watched any more"]
    assert several.streams[1].sent == ["a", "b", "c"]


async def test_stopping_ends_all_sources(fake_time) -> None:
    several: Several

    async def endless() -> Shots:
        yield Shot("a", 0, b"")
        several.watches.stop()
        await asyncio.get_running_loop().create_future()

    several = Several(fake_time, FakeSource(endless), FakeSource(endless))
    assert await several.run() == 0
    several.watches.sum_up()
    assert sum("frames in" in line for line in several.lines) == 2


async def test_stopping_while_a_bundle_is_loaded_ends_at_once(fake_time, make_shots) -> None:
    several = Several(fake_time, *[FakeSource(lambda: make_shots("a"))] * 2)
    ended = []

    @asynccontextmanager
    async def loading() -> AsyncIterator[None]:
        asyncio.get_running_loop().call_soon(several.watches.stop)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append(True)
        yield None

    assert await several.watches.run(loading()) == 0
    assert ended == [True]


async def test_what_becomes_of_frames_while_a_server_is_away_is_by_source_and_policy(
    fake_time, make_shots
) -> None:
    def source(*, live: bool) -> FakeSource:
        return FakeSource(lambda: make_shots("a"), live=live)

    several = Several(fake_time, source(live=False), source(live=True))
    assert several.watches.kept() == "no frame was taken meanwhile"
    await several.run()
    assert several.watches.kept() == "frames without an answer are sent again"
    report = WatchReport(print, None, save=None)
    camera = Watch(source(live=True), report, ALL, fake_time.clock, print)
    await camera.run(nullcontext(FakeStream()))
    assert "may be lost (policy all)" in Watches([camera]).kept()
