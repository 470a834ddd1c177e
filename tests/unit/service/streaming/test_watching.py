from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from takt.core.domain import Inspection
from takt.core.errors import RequestError
from takt.streaming.frames import Frame
from takt.streaming.outcomes import AnsweredFrame, DroppedFrame, FailedFrame
from takt.streaming.statistics import FrameCounts
from takt.streaming.watching import MOST_SKIPPED, Audience, Glance, Watcher

COUNTS = FrameCounts(frames=1, answered=1, errors=0, dropped=0, anomalous=0, undecided=0)
FAILED = FailedFrame(7, 400, "invalid_image", "Invalid image", "no picture")


class Memory:
    """Counts what is held, up to a limit."""

    def __init__(self, limit: int = 1000) -> None:
        self.held = 0
        self._limit = limit

    def hold(self, size: int) -> Callable[[], None] | None:
        if self.held + size > self._limit:
            return None
        self.held += size
        return lambda: self._free(size)

    def _free(self, size: int) -> None:
        self.held -= size


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def audience(memory) -> Audience:
    return Audience(memory.hold)


@pytest.fixture
def show(audience, inspection: Callable[..., Inspection]) -> Callable[..., None]:
    def show_frames(*sequences: int, score: float = 0.2, picture: bytes = bytes(100)) -> None:
        for sequence in sequences:
            answer = AnsweredFrame(sequence, 0, inspection(score), 1.0, 0, None, None)
            audience.show(answer, Frame(sequence, 0, memoryview(picture)), COUNTS)

    return show_frames


async def seen(watcher: Watcher) -> Glance:
    view = await asyncio.wait_for(watcher.next(), 60)
    assert view is not None
    return view


async def test_a_stream_that_nobody_watches_keeps_nothing(audience, memory, show) -> None:
    show(0)
    assert (memory.held, len(audience)) == (0, 0)
    watcher = audience.join()
    waiting = asyncio.create_task(watcher.next())
    show(1)
    assert (await waiting).frame.outcome.sequence == 1


async def test_the_picture_is_the_one_that_came_and_no_copy(audience, show) -> None:
    watcher = audience.join()
    picture = bytes(50)
    show(0, picture=picture)
    frame = (await seen(watcher)).frame
    assert frame.picture.obj is picture
    assert frame.counts == COUNTS


async def test_a_busy_watcher_skips_to_the_newest_and_is_told_what_it_missed(
    audience, show
) -> None:
    watcher = audience.join()
    show(0)
    assert (await seen(watcher)).skipped == ()
    show(1, score=0.9)
    show(2, 3)
    watcher.acknowledge()
    view = await seen(watcher)
    assert view.frame.outcome.sequence == 3
    assert [(one.sequence, one.score, one.anomalous) for one in view.skipped] == [
        (1, 0.9, True),
        (2, 0.2, False),
    ]


async def test_of_many_missed_frames_the_last_are_told(audience, show) -> None:
    watcher = audience.join()
    show(*range(500))
    view = await seen(watcher)
    assert [one.sequence for one in view.skipped] == list(range(499 - MOST_SKIPPED, 499))


async def test_what_is_shown_takes_one_picture_of_memory_and_each_that_is_under_way(
    audience, memory, show
) -> None:
    slow, quick = audience.join(), audience.join()
    show(0)
    first = (await seen(slow)).frame
    show(1, 2, 3)
    assert memory.held == 200
    newest = (await seen(quick)).frame
    first.let_go()
    assert (memory.held, first.picture) == (100, None)
    newest.let_go()
    slow.leave()
    assert memory.held == 100
    quick.leave()
    assert memory.held == 0


async def test_without_memory_a_frame_is_shown_without_its_picture(inspection) -> None:
    audience = Audience(Memory(limit=99).hold)
    watcher = audience.join()
    answer = AnsweredFrame(0, 0, inspection(), 1.0, 0, None, None)
    audience.show(answer, Frame(0, 0, bytes(100)), COUNTS)
    frame = (await seen(watcher)).frame
    assert (frame.picture, frame.outcome) == (None, answer)


async def test_a_frame_that_failed_is_shown_and_one_that_was_dropped_is_not(audience) -> None:
    watcher = audience.join()
    audience.show(FAILED, None, COUNTS)
    audience.show(DroppedFrame(8, dropped=1), None, COUNTS)
    frame = (await seen(watcher)).frame
    assert (frame.outcome, frame.picture) == (FAILED, None)


async def test_the_last_frame_is_seen_before_the_end(audience, show) -> None:
    watcher = audience.join()
    show(0)
    audience.end()
    assert (await seen(watcher)).frame.outcome.sequence == 0
    assert await watcher.next() is None


async def test_who_has_not_acknowledged_does_not_outlive_the_stream(audience, show) -> None:
    watcher = audience.join()
    show(0)
    await seen(watcher)
    waiting = asyncio.create_task(watcher.next())
    await asyncio.sleep(0)
    audience.end()
    assert await asyncio.wait_for(waiting, 60) is None


async def test_only_what_was_shown_is_acknowledged(audience, show) -> None:
    watcher = audience.join()
    with pytest.raises(RequestError, match="without a frame"):
        watcher.acknowledge()
    show(0)
    await seen(watcher)
    watcher.acknowledge()
    with pytest.raises(RequestError, match="once after each"):
        watcher.acknowledge()
