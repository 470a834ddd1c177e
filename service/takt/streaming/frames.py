"""A frame on the wire: a header of 32 bytes, then the picture."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from takt.core.domain import NO_LABELS, Labels, PixelFormat, RawPicture
from takt.core.errors import InvalidImageError, RequestError

HEADER_BYTES = 32

LAST_SEQUENCE = 2**64 - 1
"""The highest number that a frame can have."""

_HEADER = struct.Struct("<2sBBIQQII")
_MAGIC = b"TK"
_VERSION = 1
_ENCODED = 0
_FORMATS: dict[int, PixelFormat] = {1: "rgb8", 2: "bgr8", 3: "mono8"}


@dataclass(frozen=True, slots=True)
class FrameView:
    """That a frame shows a view of a part.

    Attributes:
        part: id of the part.
        view: its name in the recipe.
        recipe: name of the recipe.
        again: whether the id stands for another part than the one that has just ended.
    """

    part: str
    view: str
    recipe: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture of a stream.

    >>> header = _HEADER.pack(_MAGIC, _VERSION, _ENCODED, 0, 7, 0, 0, 0)
    >>> unpack(header + b"a jpeg").sequence
    7

    Attributes:
        sequence: greater than that of the frame before; 0 … 2⁶⁴ - 1.
        captured_us: when it was captured, in µs since 1970 by the sender's clock; 0 if unknown.
        picture: encoded (JPEG, PNG, …), or raw pixels.
        release: called once, when nothing needs the picture any more.
        labels: what the sender says of the part.
        view: of a part that it shows; None where it is a frame like others.
    """

    sequence: int
    captured_us: int
    picture: bytes | memoryview | RawPicture
    release: Callable[[], None] = lambda: None
    labels: Labels = NO_LABELS
    view: FrameView | None = None


class FrameHeader(NamedTuple):
    """The header of a frame; a named tuple, which is made in a third of a dataclass's time.

    Attributes:
        sequence: as in `Frame`.
        captured_us: as in `Frame`.
        format: of raw pixels; None for an encoded picture.
        width: of raw pixels; 0 for an encoded picture.
        height: of raw pixels; 0 for an encoded picture.
    """

    sequence: int
    captured_us: int
    format: PixelFormat | None
    width: int
    height: int


def unpack(data: bytes | memoryview) -> Frame:
    """Read a frame; its picture is a view of `data`, not a copy.

    Raises:
        RequestError: the header is none of ours.
        InvalidImageError: the raw pixels are not as many as the header says.
    """
    header = unpack_header(data)
    return Frame(header.sequence, header.captured_us, picture_after(header, data))


def unpack_header(data: bytes | memoryview) -> FrameHeader:
    """Read the header alone, so that a frame with a bad picture still has its number.

    Raises:
        RequestError: the header is none of ours.
    """
    if len(data) < HEADER_BYTES:
        raise RequestError(
            f"a frame of {len(data)} bytes; put a header of {HEADER_BYTES} before the picture"
        )
    magic, version, code, reserved, sequence, captured_us, width, height = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise RequestError(f"a frame begins with {magic!r}; put a header, TK, before the picture")
    if version != _VERSION:
        raise RequestError(f"a frame's header is of version {version}; send version {_VERSION}")
    if code != _ENCODED and code not in _FORMATS:
        raise RequestError(f"a frame's pixels are of kind {code}; send 0 to {max(_FORMATS)}")
    if reserved or (code == _ENCODED and (width or height)):
        raise RequestError(
            "a frame's reserved bytes, and the size of an encoded picture, must be 0; "
            "a later version may give them a meaning"
        )
    return FrameHeader(sequence, captured_us, _FORMATS.get(code), width, height)


def picture_after(header: FrameHeader, data: bytes | memoryview) -> memoryview | RawPicture:
    """The picture behind the header, as a view of `data`.

    Raises:
        InvalidImageError: the raw pixels are not as many as the header says.
    """
    payload = memoryview(data)[HEADER_BYTES:]
    if header.format is None:
        return payload
    expected = header.width * header.height * (1 if header.format == "mono8" else 3)
    if not expected or len(payload) != expected:
        raise InvalidImageError(
            f"{len(payload)} bytes of pixels; {header.width} × {header.height} of {header.format} "
            f"are {expected}, of at least one pixel"
        )
    return RawPicture(payload, header.width, header.height, header.format)
