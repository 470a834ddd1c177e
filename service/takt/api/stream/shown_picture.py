"""A stream's picture in a form that a browser shows."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from takt.core.domain import RawPicture
from takt.core.host import let_others_go_first
from takt.recording.pictures import format_of
from takt.streaming.watching import ShownFrame

LONGEST_SIDE = 1280
"""Raw pixels are shown no larger than this; a screen has hardly more for one picture."""

JPEG = "image/jpeg"
_QUALITY = 85
_SHOWN = ("jpeg", "png", "bmp", "webp")


def media_type_of(data: bytes | memoryview) -> str | None:
    """Media type of an encoded picture, by its first bytes; None if browsers do not show it.

    >>> media_type_of(b"BM rest")
    'image/bmp'
    """
    found = format_of(data)
    return f"image/{found}" if found in _SHOWN else None


class PictureEncoder:
    """Makes JPEGs of raw pixels, in a thread that lets every other one go first.

    A frame is encoded once, for all who watch it.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="showing", initializer=let_others_go_first
        )

    async def jpeg_of(self, frame: ShownFrame, picture: RawPicture) -> bytes:
        """The JPEG of a frame that the caller holds."""
        if frame.encoded is None:
            loop = asyncio.get_running_loop()
            # The thread reads the pixels even if whoever waits for it leaves.
            frame.hold()
            frame.encoded = loop.run_in_executor(self._thread, encoded, picture)
            frame.encoded.add_done_callback(lambda _: frame.let_go())
        return await asyncio.shield(frame.encoded)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()


def encoded(picture: RawPicture) -> bytes:
    """A JPEG of raw pixels, made smaller where they are many."""
    channels = () if picture.format == "mono8" else (3,)
    levels: cv2.typing.MatLike = np.frombuffer(picture.pixels, np.uint8)
    levels = levels.reshape(picture.height, picture.width, *channels)
    scale = LONGEST_SIDE / max(picture.width, picture.height)
    if scale < 1:
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        levels = cv2.resize(levels, size, interpolation=cv2.INTER_AREA)
    if picture.format == "rgb8":
        levels = cv2.cvtColor(levels, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data.tobytes()
