"""Animated PNG: checked to be whole, and made a PNG of its first frame.

OpenCV decodes an animation by another path: it checks no checksums there, keeps four copies of the
picture, refuses grey and does not turn the picture upright.
"""

from __future__ import annotations

import struct
import zlib

from takt.core.errors import InvalidImageError, UnsupportedImageError
from takt.core.pictures.formats.image_header import ImageHeader
from takt.core.pictures.formats.png import (
    Chunk,
    Chunks,
    refuse_packed_texts,
    refuse_surplus,
    walk,
)

_HIDDEN = b"acTl"
"""A kind that no decoder knows, so that all skip it."""

_SEQUENCE_BYTES = 4
_END = b"\0\0\0\0IEND\xaeB`\x82"


def checked_png(data: bytes, header: ImageHeader) -> bytes:
    """The PNG to decode, without its further frames.

    Raises:
        InvalidImageError: the file is cut short, or would unpack to far more than it shows.
        UnsupportedImageError: the first frame covers a part of the picture only.
    """
    chunks = walk(data)
    if chunks.others:
        refuse_packed_texts(data, chunks)
        control = _animation(chunks)
        if control is not None:
            data = _first_frame(data, header, chunks, control)
            chunks = walk(data)
    refuse_surplus(data, chunks)
    return data


def _animation(chunks: Chunks) -> Chunk | None:
    """The chunk that makes a PNG an animation; it counts before the picture's data only."""
    return next((c for c in chunks.others if c.kind == b"acTL" and c.start < chunks.image_at), None)


def _first_frame(data: bytes, header: ImageHeader, chunks: Chunks, control: Chunk) -> bytes:
    frames = [chunk for chunk in chunks.others if chunk.kind == b"fcTL"]
    if control.length != 8 or any(frame.length != 26 for frame in frames):
        raise InvalidImageError("the APNG is damaged: a chunk has not its length; save it again")
    (claimed,) = struct.unpack_from(">I", data, control.start)
    if claimed != len(frames) or not frames:
        raise InvalidImageError(
            f"the APNG says {claimed} frames and has {len(frames)}; send the whole file"
        )
    hidden = _chunk(_HIDDEN, data[control.start : control.end])[4:]
    still = b"".join((data[: control.start - 4], hidden, data[control.end + 4 :]))
    if frames[0].start < chunks.image_at:
        return still
    return _separate_frame(data, still, header, chunks, frames)


def _separate_frame(
    data: bytes, still: bytes, header: ImageHeader, chunks: Chunks, frames: list[Chunk]
) -> bytes:
    """A PNG of the first frame, where the still picture is none of the frames."""
    place = struct.unpack_from(">IIII", data, frames[0].start + 4)
    if place != (header.width, header.height, 0, 0):
        raise UnsupportedImageError(
            "an APNG whose first frame covers a part of the picture only is not served; "
            "send the frame as a PNG"
        )
    end = frames[1].start if len(frames) > 1 else len(data)
    content = []
    for chunk in chunks.others:
        if chunk.kind == b"fdAT" and frames[0].start < chunk.start < end:
            whole = data[chunk.start - 4 : chunk.end]
            if zlib.crc32(whole).to_bytes(4, "big") != data[chunk.end : chunk.end + 4]:
                raise InvalidImageError("the APNG is damaged: a checksum is wrong; send it again")
            content.append(data[chunk.start + _SEQUENCE_BYTES : chunk.end])
    return still[: chunks.image_at] + _chunk(b"IDAT", b"".join(content)) + _END


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
