"""Sources of frames: a video file, a camera that may go away and come back, or a folder."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from takt.sources.capture import (
    CaptureReader,
    OpenCapture,
    SourceError,
    open_capture,
    shown,
)
from takt.sources.folder import Folder
from takt.sources.labels import LabelsOfFile, file_labels
from takt.sources.pacing import (
    MOST_DELAY_S,
    RateLimit,
    Shot,
    Shots,
    WatchClock,
    retry_delay_s,
)
from takt.sources.troubles import Troubles

_USUAL_FPS = 25.0
_STEADY_S = 30.0
"""A camera that lasted this long starts its waits from the shortest again."""


class ShotSource(Protocol):
    """A source of shots."""

    @property
    def live(self) -> bool:
        """Whether shots come even if nobody takes them."""

    def shots(self) -> Shots:
        """The shots, once.

        Raises:
            SourceError: the source has no shots, or can no longer be read.
        """


@dataclass(frozen=True, slots=True)
class VideoFile:
    """The frames of a video file.

    Attributes:
        path: path of the file.
        open_capture: opens the file.
        loop: whether the video begins again at its end, for ever.
        clock: keeps to the rate of the recording; without one, frames come as fast as they can.
    """

    path: Path
    open_capture: OpenCapture
    loop: bool
    clock: WatchClock | None
    live = False

    async def shots(self) -> Shots:
        """One shot for each frame.

        Raises:
            SourceError: the file cannot be opened, or has no frames.
        """
        number = 0
        with closing(CaptureReader(self.open_capture)) as reader:
            while True:
                fps = await reader.open()
                rate = RateLimit(fps or _USUAL_FPS, self.clock) if self.clock else None
                before = number
                while (picture := await reader.read()) is not None:
                    if rate is not None:
                        await rate.turn()
                    yield Shot(f"{self.path.stem}-{number:06}", 0, picture)
                    number += 1
                if number == before:
                    raise SourceError(f"{self.path} has no frames that OpenCV can read")
                if not self.loop:
                    return


@dataclass(frozen=True, slots=True)
class Camera:
    """A webcam or an address; one that is lost, or not there yet, is tried again for ever.

    Attributes:
        name: name for people, without secrets.
        open_capture: opens the camera.
        clock: times the waits.
        notice: hears when the camera is lost and when it is back.
    """

    name: str
    open_capture: OpenCapture
    clock: WatchClock
    notice: Callable[[str], None]
    live = True

    async def shots(self) -> Shots:
        """One shot for each frame that arrives; endless."""
        failures = 0
        troubles = Troubles(self.clock)
        with closing(CaptureReader(self.open_capture)) as reader:
            while True:
                opened_s, lost = self.clock.now_s(), failures > 0
                try:
                    await reader.open()
                    while (picture := await reader.read()) is not None:
                        if lost:
                            self.notice(f"{self.name} is back after {troubles.over()}")
                            lost = False
                        captured_us = time.time_ns() // 1000
                        yield Shot(_moment(captured_us), captured_us, picture)
                    reason = f"{self.name} gives no more frames"
                except SourceError as error:
                    reason = str(error)
                if self.clock.now_s() - opened_s > _STEADY_S:
                    failures = 0
                delay_s = retry_delay_s(failures, self.clock.chance())
                failures += 1
                if line := troubles.line(reason, delay_s, MOST_DELAY_S):
                    self.notice(line)
                await self.clock.sleep(delay_s)


def source_of(
    text: str,
    *,
    loop: bool,
    own_rate: bool,
    clock: WatchClock,
    notice: Callable[[str], None],
    labels_of: LabelsOfFile = file_labels,
) -> ShotSource:
    """The source that an argument of the command line names.

    Args:
        text: a webcam's number, an address with `://`, or the path of a folder or of a video.
        loop: whether a video begins again at its end.
        own_rate: whether a video is read no faster than it was recorded.
        clock: clock of the source.
        notice: hears what happens to the source.
        labels_of: says what a picture of a folder shows, by the name of its file.

    Raises:
        SourceError: the argument names none of these.
    """
    if text.isdecimal() or "://" in text:
        place = int(text) if text.isdecimal() else text
        return Camera(shown(place), lambda: open_capture(place), clock, notice)
    path = Path(text)
    if path.is_dir():
        return Folder(path, clock, notice, labels_of)
    if not path.is_file():
        raise SourceError(
            f"{text} is not there; name a folder, a video file, a webcam's number or an address "
            "such as rtsp://…"
        )
    return VideoFile(path, lambda: open_capture(path), loop, clock if own_rate else None)


def station_names(sources: Sequence[str]) -> tuple[str | None, ...]:
    """A name for each source where there are several, from what it is; None for the only one.

    >>> station_names(["rtsp://op:secret@cam1/main?a=1", "clips/lid.avi", "0", "other/lid/"])
    ('cam1/main', 'lid', 'webcam 0', 'lid-2')
    """
    if len(sources) == 1:
        return (None,)
    names: list[str] = []
    for source in sources:
        if source.isdecimal():
            name = shown(int(source))
        elif "://" in source:
            name = shown(source).partition("://")[2].strip("/") or source
        else:
            name = Path(source).resolve().stem or "source"
        twins = (f"{name}-{number}" for number in itertools.count(2))
        names.append(name if name not in names else next(one for one in twins if one not in names))
    return tuple(names)


def _moment(captured_us: int) -> str:
    """A time as a part of a file name, UTC, to the millisecond."""
    moment = datetime.fromtimestamp(captured_us / 1_000_000, UTC)
    return f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03}Z"
