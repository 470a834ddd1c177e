from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest

from takt.core.domain import RawPicture
from takt.sources.capture import SourceError
from takt.sources.folder import Folder
from takt.sources.pacing import Shot, Shots, WatchClock
from takt.sources.sources import Camera, VideoFile, source_of


async def take(shots: Shots, count: int) -> list[Shot]:
    taken = []
    async with aclosing(shots):
        while len(taken) < count:
            taken.append(await anext(shots))
    return taken


def names(shots: list[Shot]) -> list[str]:
    return [shot.name for shot in shots]


def level_of(shot: Shot) -> int:
    assert isinstance(shot.picture, RawPicture)
    return shot.picture.pixels[0]


async def test_a_video_ends_with_its_last_frame(camera) -> None:
    opened = camera([10, 20, 30])
    video = VideoFile(Path("dir/clip.avi"), opened, False, None)
    shots = [shot async for shot in video.shots()]
    assert names(shots) == ["clip-000000", "clip-000001", "clip-000002"]
    assert [level_of(shot) for shot in shots] == [10, 20, 30]


async def test_a_looping_video_begins_again(camera) -> None:
    opened = camera([10, 20], [10, 20])
    shots = await take(VideoFile(Path("c.avi"), opened, True, None).shots(), 4)
    assert names(shots) == ["c-000000", "c-000001", "c-000002", "c-000003"]
    assert [level_of(shot) for shot in shots] == [10, 20, 10, 20]
    assert opened.opened[0].released


@pytest.mark.parametrize("loop", [True, False])
async def test_a_video_without_frames_is_an_error(camera, loop: bool) -> None:
    with pytest.raises(SourceError, match="no frames"):
        await take(VideoFile(Path("c.avi"), camera([]), loop, None).shots(), 1)


@pytest.mark.parametrize(("fps", "interval_s"), [(10.0, 0.1), (0.0, 0.04)])
async def test_a_video_keeps_to_its_own_rate_if_asked(
    camera, fake_time, fps: float, interval_s: float
) -> None:
    opened = camera([1, 2, 3], fps=fps)
    video = VideoFile(Path("c.avi"), opened, False, fake_time.clock)
    assert len([shot async for shot in video.shots()]) == 3
    assert fake_time.slept == pytest.approx([interval_s] * 2)


async def test_a_camera_that_goes_away_is_waited_for_and_comes_back(camera, fake_time) -> None:
    notices: list[str] = []
    opened = camera([1, 2], None, None, [3], [4])
    source = Camera("the camera", opened, fake_time.clock, notices.append)
    shots = await take(source.shots(), 4)
    assert [level_of(shot) for shot in shots] == [1, 2, 3, 4]
    assert all(shot.captured_us > 0 for shot in shots)
    assert fake_time.slept == [0.5, 1.0, 2.0, 4.0]
    assert notices == [
        "the camera gives no more frames; trying again in 0.5 s, then up to 30 s apart",
        "nobody is there; trying again in 1.0 s",
        "the camera is back after 3.5 s",
        "the camera gives no more frames; trying again in 4.0 s, then up to 30 s apart",
        "the camera is back after 4.0 s",
    ]
    assert [capture.released for capture in opened.opened[:2]] == [True, True]


async def test_a_camera_that_stays_away_is_said_once_and_then_every_five_minutes(
    camera, fake_time
) -> None:
    notices: list[str] = []
    opened = camera(*[None] * 40, [1])
    await take(Camera("it", opened, fake_time.clock, notices.append).shots(), 1)
    assert fake_time.now_s > 1000 + 3 * 300
    assert notices[0] == "nobody is there; trying again in 0.5 s, then up to 30 s apart"
    assert notices[1] == "nobody is there; for 5 min now; trying again in 30 s"
    assert len(notices) == 5
    assert notices[-1].startswith("it is back after ")


async def test_a_camera_that_lasted_for_a_while_is_tried_again_soon(camera, fake_time) -> None:
    opened = camera(None, None, [1, 2], [3])
    shots = Camera("it", opened, fake_time.clock, lambda _: None).shots()
    async with aclosing(shots):
        await anext(shots)
        fake_time.now_s += 60
        await anext(shots)
        await anext(shots)
    assert fake_time.slept == [0.5, 1.0, 0.5]


async def test_a_camera_that_is_not_there_yet_is_waited_for(camera, fake_time) -> None:
    opened = camera(*[None] * 9, [1])
    (shot,) = await take(Camera("it", opened, fake_time.clock, lambda _: None).shots(), 1)
    assert level_of(shot) == 1
    assert fake_time.slept == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_word_stands_for_a_source(tmp_path: Path) -> None:
    def found(text: str) -> object:
        return source_of(
            text, loop=False, own_rate=False, clock=WatchClock(), notice=lambda _: None
        )

    (tmp_path / "clip.avi").write_bytes(b"x")
    assert isinstance(found("0"), Camera)
    assert isinstance(found("rtsp://cam/1"), Camera)
    assert isinstance(found(str(tmp_path)), Folder)
    assert isinstance(found(str(tmp_path / "clip.avi")), VideoFile)
    with pytest.raises(SourceError, match="is not there; name a folder"):
        found(str(tmp_path / "gone.avi"))
