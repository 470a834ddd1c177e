from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from takt.sources.capture import SourceError
from takt.sources.pacing import Shot, Shots
from takt_station.cameras import SnapshotCamera, SourceCamera
from takt_station.plant.virtual_time import run_virtual

Answer = Callable[[httpx.Request], httpx.Response]


def now_s() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def snapshots(answer: Answer) -> AsyncIterator[SnapshotCamera]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        yield SnapshotCamera("http://user:secret@camera/now.jpg", http, now_s)


def picture(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, content=b"a picture")


def unplugged(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nobody is there", request=request)


def test_a_snapshot_is_the_answer_to_the_trigger() -> None:
    async def acquire() -> Shot:
        async with snapshots(picture) as camera:
            assert not camera.well
            shot = await camera.acquire()
            assert camera.well
            return shot

    assert run_virtual(acquire()).picture == b"a picture"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (unplugged, "nobody is there"),
        (lambda request: httpx.Response(503), "status 503"),
        (lambda request: httpx.Response(200, content=b""), "nothing"),
    ],
)
def test_a_camera_that_gives_no_snapshot_is_not_well_and_says_why(answer: Answer, why: str) -> None:
    async def acquire() -> None:
        async with snapshots(answer) as camera:
            with pytest.raises(SourceError, match=why) as caught:
                await camera.acquire()
            assert "secret" not in str(caught.value)
            assert not camera.well

    run_virtual(acquire())


def test_a_snapshot_camera_that_nobody_asks_is_looked_after_and_comes_back() -> None:
    answers: list[Answer] = [unplugged]

    async def look() -> list[bool]:
        well = []
        async with snapshots(lambda request: answers[-1](request)) as camera:
            running = asyncio.create_task(camera.run())
            for answer in (unplugged, picture, unplugged):
                answers.append(answer)
                await asyncio.sleep(3)
                well.append(camera.well)
            running.cancel()
        return well

    assert run_virtual(look()) == [False, True, False]


def test_a_snapshot_that_is_given_up_leaves_the_camera_not_well() -> None:
    async def slow(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        return httpx.Response(200, content=b"late")

    async def give_up() -> bool:
        async with httpx.AsyncClient(transport=httpx.MockTransport(slow)) as http:
            camera = SnapshotCamera("http://camera/now.jpg", http, now_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await camera.acquire()
            return camera.well

    assert run_virtual(give_up()) is False


def seen_while(hangs: Callable[[float], bool], until_s: float, give_up_s: float) -> list[bool]:
    """Each tenth of a second, whether a camera is well that hangs at times.

    A part gives up its picture at one of them.
    """

    async def answer(request: httpx.Request) -> httpx.Response:
        if hangs(now_s()):
            await asyncio.sleep(60)
        return httpx.Response(200, content=b"a picture")

    async def look() -> list[bool]:
        well = []
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            camera = SnapshotCamera("http://camera/now.jpg", http, now_s)
            running = asyncio.create_task(camera.run())
            for tenth in range(int(until_s * 10)):
                if tenth == give_up_s * 10:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.02):
                            await camera.acquire()
                await asyncio.sleep(0.1)
                well.append(camera.well)
            running.cancel()
        return well

    return run_virtual(look())


def test_one_picture_that_was_too_slow_keeps_a_camera_from_the_line_for_a_moment_alone() -> None:
    well = seen_while(lambda at_s: 0.59 < at_s < 0.65, 3, give_up_s=0.6)
    assert 0 < well.count(False) <= 5


def test_a_camera_that_hangs_is_not_well_soon_and_is_back_soon() -> None:
    well = seen_while(lambda at_s: 3 < at_s < 20, 30, give_up_s=100)
    assert not any(well[70:200])
    assert all(well[230:])


class Frames:
    """A source that gives a frame every tenth of a second, up to a number."""

    def __init__(self, live: bool, until: int = 10**6) -> None:
        self.live = live
        self._until = until

    async def shots(self) -> AsyncGenerator[Shot, None]:
        for number in range(self._until):
            if self.live:
                await asyncio.sleep(0.1)
            yield Shot(str(number), 0, b"", now_s())


def camera_of(frames: Frames, lag_ms: float = 0) -> SourceCamera:
    return SourceCamera("webcam 0", frames, lag_ms, now_s)


async def names(camera: SourceCamera, times: int, every_s: float) -> list[str]:
    running = asyncio.create_task(camera.run())
    seen = []
    for _ in range(times):
        await asyncio.sleep(every_s)
        seen.append((await camera.acquire()).name)
    running.cancel()
    return seen


def test_a_part_gets_the_first_frame_of_a_live_source_after_its_trigger() -> None:
    # Frame n comes at (n + 1) / 10 s; the triggers come just after 0.55, 1.15, …
    assert run_virtual(names(camera_of(Frames(live=True)), 2, 0.55)) == ["5", "11"]


def test_frames_that_show_what_was_before_the_trigger_are_passed_over() -> None:
    assert run_virtual(names(camera_of(Frames(live=True), lag_ms=120), 1, 0.55)) == ["6"]


def test_a_folder_gives_the_next_picture_to_each_part() -> None:
    assert run_virtual(names(camera_of(Frames(live=False)), 3, 1)) == ["0", "1", "2"]


def test_a_live_source_that_is_silent_is_not_well() -> None:
    class Stopping(Frames):
        async def shots(self) -> Shots:
            yield Shot("0", 0, b"", now_s())
            await asyncio.Event().wait()

    async def look() -> list[bool]:
        camera = camera_of(Stopping(live=True))
        running = asyncio.create_task(camera.run())
        well = [camera.well]
        for _ in range(2):
            await asyncio.sleep(1.5)
            well.append(camera.well)
        running.cancel()
        return well

    assert run_virtual(look()) == [False, True, False]


@pytest.mark.parametrize("live", [True, False])
def test_a_source_that_has_ended_is_said(live: bool) -> None:
    async def end() -> None:
        camera = camera_of(Frames(live, until=1))
        running = asyncio.create_task(camera.run())
        if not live:
            assert (await camera.acquire()).name == "0"
        await asyncio.sleep(1)
        with pytest.raises(SourceError, match="no more frames"):
            await camera.acquire()
        assert not camera.well
        await running

    run_virtual(end())


def test_whoever_waits_for_a_frame_hears_that_none_comes() -> None:
    class Failing(Frames):
        async def shots(self) -> Shots:
            await asyncio.sleep(1)
            raise SourceError("the network share is gone")
            yield

    async def wait() -> None:
        camera = camera_of(Failing(live=True))
        running = asyncio.create_task(camera.run())
        with pytest.raises(SourceError, match="share is gone"):
            await camera.acquire()
        await running

    run_virtual(wait())
