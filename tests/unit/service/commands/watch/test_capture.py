from pathlib import Path

import cv2
import numpy as np
import pytest

from service.commands.watch.capture import OpenCvCapture, SourceError, raw_picture, shown


def test_a_video_gives_its_frames_and_its_rate(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for level in (50, 200):
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    capture = OpenCvCapture(path)
    assert capture.fps == 10
    frames = [capture.read(), capture.read()]
    assert capture.read() is None
    capture.release()
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 2
    assert [
        abs(float(frame.mean()) - level) < 3 for frame, level in zip(frames, (50, 200), strict=True)
    ]


def test_what_opencv_cannot_open_is_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "no.avi"
    path.write_bytes(b"no video")
    with pytest.raises(SourceError, match=r"cannot open .*no\.avi"):
        OpenCvCapture(path)


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
