from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from takt.commands.watch.report import WatchReport
from takt.commands.watch.run import Watch, Watches
from takt.commands.watch.streams import WatchOptions
from takt.commands.watch.table import OutcomeTable
from takt.sources.capture import SourceError
from takt.sources.pacing import Shot, Shots
from tests.unit.service.commands.watch.fakes import ALL, FakeSource, FakeStream


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
