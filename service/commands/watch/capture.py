"""Frames from a video file, a webcam or an address, through OpenCV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from service.domain import RawPicture
from service.errors import TaktError

STALLED_MS = 10_000
"""Silence in ms after which an address counts as lost."""


class SourceError(TaktError):
    """A source of frames cannot be opened or read."""

    code = "source"
    title = "Source of frames"


class Capture(Protocol):
    """An open source, used by one thread."""

    @property
    def fps(self) -> float:
        """Its own rate; 0 if unknown."""

    def read(self) -> NDArray[np.uint8] | None:
        """The next frame, BGR [height, width, 3] or grey [height, width]; None if none comes."""

    def release(self) -> None:
        """Closes it."""


OpenCapture = Callable[[], Capture]
"""Opens a source, blocking.

Raises:
    SourceError: it cannot be opened.
"""


class OpenCvCapture:
    """A `cv2.VideoCapture` that is open.

    Args:
        source: a file, an address, or a webcam's number.

    Raises:
        SourceError: OpenCV cannot open it.
    """

    def __init__(self, source: Path | str | int) -> None:
        if isinstance(source, int):
            self._capture = cv2.VideoCapture(source)
            # Else a frame may have waited in the driver while others were inspected.
            self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        elif isinstance(source, Path):
            self._capture = cv2.VideoCapture(str(source))
        else:
            limits = [
                *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, STALLED_MS),
                *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, STALLED_MS),
            ]
            self._capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError(f"OpenCV cannot open {shown(source)}")

    @property
    def fps(self) -> float:
        """Its own rate; 0 if unknown."""
        return float(self._capture.get(cv2.CAP_PROP_FPS))

    def read(self) -> NDArray[np.uint8] | None:
        """The next frame, in memory of its own."""
        ok, frame = self._capture.read()
        return np.asarray(frame, np.uint8) if ok else None

    def release(self) -> None:
        """Closes the file or the device."""
        self._capture.release()


def raw_picture(frame: NDArray[np.uint8]) -> RawPicture:
    """A captured frame as raw pixels, without a copy.

    Args:
        frame: BGR [height, width, 3] or grey [height, width].
    """
    height, width = frame.shape[:2]
    pixels = np.ascontiguousarray(frame).data.cast("B")
    return RawPicture(pixels, width, height, "mono8" if frame.ndim == 2 else "bgr8")


def shown(source: Path | str | int) -> str:
    """A source as it may be printed: its address without user, password and query.

    >>> shown("rtsp://user:secret@camera/stream?token=1")
    'rtsp://camera/stream'
    """
    if isinstance(source, int):
        return f"webcam {source}"
    if isinstance(source, Path):
        return str(source)
    try:
        parts = urlsplit(source)
    except ValueError:
        return f"an address of {source.partition('://')[0]}"
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=netloc, query="", fragment=""))
