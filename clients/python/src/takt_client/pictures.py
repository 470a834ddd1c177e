"""Pictures as a caller has them, made ready for a request's body or for a frame of a stream."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from takt_client.errors import InvalidImageError, InvalidParameterError

PixelFormat = Literal["rgb8", "bgr8", "mono8"]


class PixelArray(Protocol):
    """The part of a numpy array that is used here; numpy itself is not needed."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def dtype(self) -> object:
        """Type of the elements, in words when made a string."""

    def tobytes(self) -> bytes:
        """The elements, row by row."""


Picture = bytes | Path | PixelArray
"""An encoded picture, the path of one, or an array, RGB uint8 [height, width, 3]."""


@dataclass(frozen=True, slots=True)
class RawPicture:
    """Pixels as a camera gives them: rows from the top, without padding.

    Attributes:
        pixels: width · height pixels, of three bytes each or, for mono8, of one.
        width: in pixels.
        height: in pixels.
        format: order of a pixel's bytes.
    """

    pixels: bytes | memoryview
    width: int
    height: int
    format: PixelFormat


FRAME_HEADER = struct.Struct("<2sBBIQQII")
"""Magic, version, pixel format, 0, sequence, captured_us, width, height; then the picture."""
FRAME_MAGIC = b"TK"
FRAME_VERSION = 1
PIXEL_CODES: dict[PixelFormat, int] = {"rgb8": 1, "bgr8": 2, "mono8": 3}
"""The header's number of a pixel format; 0 is an encoded picture."""

_BMP_HEADER = struct.Struct("<2sIHHIIiiHHIIiiII")
_BMP_INFO_BYTES = 40
_BMP_PIXEL_BITS = 24


def encoded(picture: Picture) -> bytes:
    """The picture as the bytes of a file; an array becomes a BMP, which is exact and quick.

    Raises:
        InvalidImageError: an array of another shape or type.
        OSError: the path cannot be read.
    """
    if isinstance(picture, bytes):
        return picture
    return picture.read_bytes() if isinstance(picture, Path) else _bmp(picture)


def for_frame(picture: Picture | RawPicture) -> bytes | RawPicture:
    """The picture as a frame carries it; an array becomes raw pixels.

    Raises:
        InvalidImageError: an array of another shape or type.
        OSError: the path cannot be read.
    """
    if isinstance(picture, (bytes, RawPicture)):
        return picture
    if isinstance(picture, Path):
        return picture.read_bytes()
    width, height = _size(picture)
    return RawPicture(picture.tobytes(), width, height, "rgb8")


def pack_frame(sequence: int, captured_us: int, picture: bytes | memoryview | RawPicture) -> bytes:
    """A frame on the wire: a header of 32 bytes, and the picture.

    Args:
        sequence: greater than that of the frame before; 0 … 2⁶⁴ - 1.
        captured_us: when it was captured, in µs since 1970 by the sender's clock; 0 if unknown.
        picture: encoded (JPEG, PNG, …), or raw pixels.

    Raises:
        InvalidParameterError: a number that the header has no room for.
        InvalidImageError: raw pixels of another size than they claim.
    """
    code = width = height = 0
    if isinstance(picture, RawPicture):
        code, width, height = PIXEL_CODES[picture.format], picture.width, picture.height
        data = picture.pixels
        expected = width * height * (1 if picture.format == "mono8" else 3)
        if not expected or len(data) != expected:
            raise InvalidImageError(
                f"{len(data)} bytes of pixels; {width} × {height} of {picture.format} are "
                f"{expected}, of at least one pixel"
            )
    else:
        data = picture
    numbers = (code, 0, sequence, captured_us, width, height)
    try:
        header = FRAME_HEADER.pack(FRAME_MAGIC, FRAME_VERSION, *numbers)
    except struct.error as error:
        raise InvalidParameterError(
            f"frame {sequence}, captured at {captured_us} µs, {width} × {height}, has "
            f"no place in a header: {error}"
        ) from None
    return b"".join((header, data))


def _size(picture: PixelArray) -> tuple[int, int]:
    """Width and height of an array that is an RGB picture."""
    shape = picture.shape
    if str(picture.dtype) != "uint8" or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise InvalidImageError(
            f"an array of {picture.dtype}, {list(shape)}; send uint8 [height, width, 3], "
            "its channels red, green, blue"
        )
    return shape[1], shape[0]


def _bmp(picture: PixelArray) -> bytes:
    width, height = _size(picture)
    rgb = picture.tobytes()
    # BMP wants blue first, the lowest row first, and rows of whole four bytes.
    bgr = bytearray(rgb)
    bgr[0::3], bgr[2::3] = rgb[2::3], rgb[0::3]
    row_bytes = width * 3
    padding = bytes(-row_bytes % 4)
    pixel_bytes = (row_bytes + len(padding)) * height
    offset = _BMP_HEADER.size
    header = _BMP_HEADER.pack(
        *(b"BM", offset + pixel_bytes, 0, 0, offset),
        *(_BMP_INFO_BYTES, width, height, 1, _BMP_PIXEL_BITS, 0, pixel_bytes, 0, 0, 0, 0),
    )
    view = memoryview(bgr)
    parts: list[bytes | memoryview] = [header]
    for start in range((height - 1) * row_bytes, -1, -row_bytes):
        parts += view[start : start + row_bytes], padding
    return b"".join(parts)
