import asyncio
import threading
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from takt.sources.capture import (
    CaptureReader,
    SourceError,
    open_capture,
    raw_picture,
    shown,
)


async def test_a_video_gives_its_frames_and_its_rate(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for level in (50, 200):
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()

    with closing(CaptureReader(lambda: open_capture(path))) as reader:
        assert await reader.open() == 10
        for level in (50, 200):
            picture = await reader.read()
            assert (picture.width, picture.height, picture.format) == (64, 48, "bgr8")
            assert abs(np.frombuffer(picture.pixels, np.uint8).mean() - level) < 3
        assert await reader.read() is None


def test_what_opencv_cannot_open_is_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "no.avi"
    path.write_bytes(b"no video")
    with pytest.raises(SourceError, match=r"cannot open .*no\.avi"):
        open_capture(path)


async def test_a_capture_is_used_by_one_thread(camera) -> None:
    threads: list[int] = []
    opened = camera([1, 2])

    def open_it() -> object:
        threads.append(threading.get_ident())
        capture = opened()
        read = capture.read

        def reading() -> object:
            threads.append(threading.get_ident())
            return read()

        capture.read = reading
        return capture

    with closing(CaptureReader(open_it)) as reader:
        await reader.open()
        while await reader.read() is not None:
            pass
    assert len(threads) == 4
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


async def test_an_error_of_a_capture_comes_to_its_caller_and_it_can_be_opened_again(camera) -> None:
    with closing(CaptureReader(camera(None, [1]))) as reader:
        with pytest.raises(SourceError, match="nobody is there"):
            await reader.open()
        await reader.open()
        assert await reader.read() is not None


def test_a_read_that_does_not_return_keeps_nobody_and_the_release_comes_after_it(camera) -> None:
    reading, let_go, released = threading.Event(), threading.Event(), threading.Event()
    capture = camera([1])()

    def read() -> tuple[bool, None]:
        reading.set()
        return not let_go.wait(60), None

    capture.read = read
    capture.release = released.set

    async def give_up() -> None:
        reader = CaptureReader(lambda: capture)
        await reader.open()
        stuck = asyncio.create_task(reader.read())
        await asyncio.to_thread(reading.wait)
        stuck.cancel()
        await asyncio.wait({stuck})
        reader.close()

    asyncio.run(give_up())
    assert not released.is_set()
    let_go.set()
    assert released.wait(60)


def test_a_frame_becomes_raw_pixels_without_a_copy() -> None:
    frame = np.zeros((2, 3, 3), np.uint8)
    raw = raw_picture(frame)
    frame[:] = 7
    assert (raw.width, raw.height, raw.format) == (3, 2, "bgr8")
    assert bytes(raw.pixels) == b"\7" * 18


def test_a_grey_frame_and_a_cut_one_become_raw_pixels() -> None:
    grey = np.arange(24, dtype=np.uint8).reshape(4, 6)[1:3, 2:5]
    raw = raw_picture(grey)
    assert (raw.width, raw.height, raw.format) == (3, 2, "mono8")
    assert bytes(raw.pixels) == bytes([8, 9, 10, 14, 15, 16])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (0, "webcam 0"),
        (Path("a/b.avi"), "a/b.avi"),
        ("rtsp://user:secret@cam.example:554/one?x=1", "rtsp://cam.example:554/one"),
        ("http://cam/video?user=admin&password=secret#x", "http://cam/video"),
        ("rtsp://user:secret@[", "an address of rtsp"),
        ("http://cam/stream", "http://cam/stream"),
    ],
)
def test_a_source_is_shown_without_its_password(source, words: str) -> None:
    assert shown(source) == words
