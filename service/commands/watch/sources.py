"""Sources of pictures: a video file, a camera that may go away and come back, or a folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.commands.watch.capture import (
    Capture,
    OpenCapture,
    OpenCvCapture,
    SourceError,
    raw_picture,
    shown,
)
from service.commands.watch.folder import Folder
from service.commands.watch.pacing import Backoff, RateLimit, Shot, Shots, Time
from service.commands.watch.worker import Worker

_USUAL_FPS = 25.0
_STEADY_S = 30.0
"""A camera that lasted this long starts its waits from the shortest again."""


class Source(Protocol):
    """A source of shots."""

    @property
    def live(self) -> bool:
        """Whether shots come even if nobody takes them."""

    def shots(self) -> Shots:
        """The shots, once.

        Raises:
            SourceError: there are none, or they cannot be read any more.
        """


class VideoFile:
    """The frames of a video file.

    Args:
        path: of the file.
        open_capture: opens it.
        loop: whether to begin again at the end, for ever.
        clock: to keep to the rate at which it was recorded; None reads on as fast as can be.
    """

    live = False

    def __init__(
        self, path: Path, open_capture: OpenCapture, *, loop: bool, clock: Time | None
    ) -> None:
        self._path = path
        self._open_capture = open_capture
        self._loop = loop
        self._clock = clock

    async def shots(self) -> Shots:
        """One for each frame.

        Raises:
            SourceError: it cannot be opened, or has no frames.
        """
        reader = _Reader(self._open_capture)
        number = 0
        try:
            while True:
                fps = await reader.open()
                rate = RateLimit(fps or _USUAL_FPS, self._clock) if self._clock else None
                before = number
                while (frame := await reader.read()) is not None:
                    if rate is not None:
                        await rate.turn()
                    yield Shot(f"{self._path.stem}-{number:06}", 0, raw_picture(frame))
                    number += 1
                if number == before:
                    raise SourceError(f"{self._path} has no frames that OpenCV can read")
                if not self._loop:
                    return
        finally:
            reader.close()


class Camera:
    """A webcam or an address; one that is lost, or not there yet, is tried again for ever.

    Args:
        name: for people, without secrets.
        open_capture: opens it.
        clock: for the waits and for what shots are called.
        notice: is told what happens to it.
        backoff: how long to wait before each try.
    """

    live = True

    def __init__(
        self,
        name: str,
        open_capture: OpenCapture,
        clock: Time,
        notice: Callable[[str], None],
        backoff: Backoff | None = None,
    ) -> None:
        self._name = name
        self._open_capture = open_capture
        self._clock = clock
        self._notice = notice
        self._backoff = backoff or Backoff()

    async def shots(self) -> Shots:
        """One for each frame that arrives; endless."""
        reader = _Reader(self._open_capture)
        failures = 0
        try:
            while True:
                opened_s, lost = self._clock.now_s(), failures > 0
                try:
                    await reader.open()
                    while (frame := await reader.read()) is not None:
                        if lost:
                            self._notice(f"{self._name} is back")
                            lost = False
                        captured_us = time.time_ns() // 1000
                        yield Shot(_moment(captured_us), captured_us, raw_picture(frame))
                    reason = f"{self._name} gives no more frames"
                except SourceError as error:
                    reason = str(error)
                if self._clock.now_s() - opened_s > _STEADY_S:
                    failures = 0
                delay_s = self._backoff.delay_s(failures, self._clock.chance())
                failures += 1
                self._notice(f"{reason}; trying again in {delay_s:.1f} s")
                await self._clock.sleep(delay_s)
        finally:
            reader.close()


class _Reader:
    """A capture that runs on a thread of its own."""

    def __init__(self, open_capture: OpenCapture) -> None:
        self._open_capture = open_capture
        self._worker = Worker("capture")
        self._capture: Capture | None = None

    async def open(self) -> float:
        """Opens it anew; its rate, 0 if unknown.

        Raises:
            SourceError: it cannot be opened.
        """
        return await self._worker.call(self._open)

    async def read(self) -> NDArray[np.uint8] | None:
        """The next frame; None if none comes."""
        return await self._worker.call(self._read)

    def close(self) -> None:
        """Releases it, once a call that is under way has returned."""
        self._worker.close(self._release)

    def _open(self) -> float:
        self._release()
        self._capture = self._open_capture()
        return self._capture.fps

    def _read(self) -> NDArray[np.uint8] | None:
        return None if self._capture is None else self._capture.read()

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def source_of(
    text: str, *, loop: bool, own_rate: bool, clock: Time, notice: Callable[[str], None]
) -> Source:
    """The source that a word of the command line names.

    Args:
        text: a webcam's number, an address with `://`, or the path of a folder or of a video.
        loop: whether a video begins again at its end.
        own_rate: whether a video is read no faster than it was recorded.
        clock: of the source.
        notice: is told what happens to the source.

    Raises:
        SourceError: none of these.
    """
    if text.isdecimal() or "://" in text:
        place = int(text) if text.isdecimal() else text
        return Camera(shown(place), lambda: OpenCvCapture(place), clock, notice)
    path = Path(text)
    if path.is_dir():
        return Folder(path, clock, notice)
    if not path.is_file():
        raise SourceError(
            f"{text} is not there; name a folder, a video file, a webcam's number or an address "
            "such as rtsp://…"
        )
    return VideoFile(
        path, lambda: OpenCvCapture(path), loop=loop, clock=clock if own_rate else None
    )


def _moment(captured_us: int) -> str:
    """A time as a part of a file name, UTC, to the millisecond."""
    moment = datetime.fromtimestamp(captured_us / 1_000_000, UTC)
    return f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03}Z"
