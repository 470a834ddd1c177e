"""Frames from a video file, a webcam or an address, through OpenCV."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from takt.core.domain import RawPicture
from takt.core.errors import TaktError

STALLED_MS = 10_000
"""Silence in ms after which an address counts as lost."""


class SourceError(TaktError):
    """A source of frames cannot be opened or read."""

    code = "source"
    title = "Source of frames"


OpenCapture = Callable[[], cv2.VideoCapture]
"""Opens a source, blocking.

Raises:
    SourceError: the source cannot be opened.
"""


def open_capture(source: Path | str | int) -> cv2.VideoCapture:
    """Opens a source with OpenCV, blocking.

    Args:
        source: a file, an address, or a webcam's number.

    Raises:
        SourceError: OpenCV cannot open it.
    """
    # The error says the same once, and OpenCV at each attempt.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    if isinstance(source, int):
        capture = cv2.VideoCapture(source)
        # Else a frame may have waited in the driver while others were inspected.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    elif isinstance(source, Path):
        capture = cv2.VideoCapture(str(source))
    else:
        limits = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, STALLED_MS),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, STALLED_MS),
        ]
        capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
    if not capture.isOpened():
        capture.release()
        raise SourceError(f"OpenCV cannot open {shown(source)}")
    return capture


class CaptureReader:
    """Reads a capture on a thread of its own, for which the process waits at its end.

    A read that is under way then ends with the next frame, or after `STALLED_MS`. A thread that
    came back from OpenCV while Python ends, as a daemon may, would abort the process.

    >>> async def read_nothing() -> None:
    ...     reader = CaptureReader(lambda: open_capture(Path("missing.avi")))
    ...     try:
    ...         await reader.open()
    ...     except SourceError as error:
    ...         print(error)
    ...     reader.close()
    >>> asyncio.run(read_nothing())
    OpenCV cannot open missing.avi

    Args:
        open_capture: opens the capture.
    """

    def __init__(self, open_capture: OpenCapture) -> None:
        self._open_capture = open_capture
        self._capture: cv2.VideoCapture | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="capture")

    async def open(self) -> float:
        """Opens the capture, anew if it is open; returns its frames per second, 0 if unknown.

        Raises:
            SourceError: the capture cannot be opened.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._open)

    async def read(self) -> RawPicture | None:
        """The next frame; None if none comes."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read)

    def close(self) -> None:
        """Releases the capture after the call that is under way; does not wait for it."""
        self._thread.submit(self._release)
        self._thread.shutdown(wait=False)

    def _open(self) -> float:
        self._release()
        self._capture = self._open_capture()
        return float(self._capture.get(cv2.CAP_PROP_FPS))

    def _read(self) -> RawPicture | None:
        assert self._capture is not None, "the reader is opened before it reads"
        ok, frame = self._capture.read()
        return raw_picture(np.asarray(frame, np.uint8)) if ok else None

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def raw_picture(frame: NDArray[np.uint8]) -> RawPicture:
    """A captured frame as raw pixels, without a copy.

    Args:
        frame: BGR [height, width, 3] or grey [height, width].
    """
    height, width = frame.shape[:2]
    pixels = np.ascontiguousarray(frame).data.cast("B")
    return RawPicture(pixels, width, height, "mono8" if frame.ndim == 2 else "bgr8")


def shown(source: Path | str | int) -> str:
    """A source as messages show it: an address without user, password and query.

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
