"""Pictures as a caller has them, made ready for a request's body or for a frame of a stream."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Literal, Protocol

from takt_client.errors import InvalidImageError, InvalidParameterError, PictureFileError

PixelFormat = Literal["rgb8", "bgr8", "mono8"]
ColorOrder = Literal["rgb", "bgr", "gray"]
"""Order of an array's channels: `bgr` is what OpenCV reads, `rgb` what most others do."""


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


Picture = bytes | bytearray | memoryview | str | os.PathLike[str] | RawPicture
"""The bytes of a picture's file, the path of one, or pixels that name their format."""

FRAME_HEADER = struct.Struct("<2sBBIQQII")
"""Magic, version, pixel format, 0, sequence, captured_us, width, height; then the picture."""
FRAME_MAGIC = b"TK"
FRAME_VERSION = 1
PIXEL_CODES: dict[PixelFormat, int] = {"rgb8": 1, "bgr8": 2, "mono8": 3}
"""The header's number of a pixel format; 0 is an encoded picture."""

_BMP_HEADER = struct.Struct("<2sIHHIIiiHHIIiiII")
_BMP_INFO_BYTES = 40

_ORDERS = (None, "rgb", "bgr", "gray")
_CHANNELS = 3
_SHOWN_CHARACTERS = 120
_WHAT_IS_SENT = (
    'send uint8 [height, width, 3] with color="bgr" (as OpenCV reads) or color="rgb", '
    "or gray uint8 [height, width]"
)


def encoded(picture: Picture | PixelArray, color: ColorOrder | None = None) -> bytes:
    """The picture as the bytes of a file; pixels become a BMP, which is exact and quick.

    Args:
        picture: the bytes of a file, its path, or pixels.
        color: of an array; files and raw pictures name their own.

    Raises:
        InvalidParameterError: no picture, or an array of three channels without its color.
        InvalidImageError: an array of another shape or type than pictures have.
        PictureFileError: the path cannot be read.
    """
    data = for_frame(picture, color)
    return data if isinstance(data, bytes) else _bmp(data)


def for_frame(picture: Picture | PixelArray, color: ColorOrder | None = None) -> bytes | RawPicture:
    """The picture as a frame carries it: the bytes of a file, or pixels.

    Args:
        picture: as for `encoded`.
        color: as for `encoded`.

    Raises:
        TaktError: as `encoded`.
    """
    if color not in _ORDERS:
        raise InvalidParameterError(f'color={color!r}; it is "rgb", "bgr" or "gray"')
    if isinstance(picture, (bytes, RawPicture)):
        return picture
    if isinstance(picture, bytearray):
        return bytes(picture)
    if isinstance(picture, memoryview):
        if picture.ndim != 1 or picture.itemsize != 1:
            raise InvalidImageError(
                f"a memoryview of {list(picture.shape or ())} elements of {picture.itemsize} "
                "bytes is no file of a picture; give the array itself, with its color"
            )
        return picture.tobytes()
    if isinstance(picture, (str, os.PathLike)):
        return _read(picture)
    return _raw(picture, color)


def check_several(pictures: object, *kinds: type) -> None:
    """Check that these are several pictures, and not one.

    A text would be iterated over by its letters, an array by its rows.

    Args:
        pictures: what a caller gave.
        kinds: what can be iterated over here.

    Raises:
        InvalidParameterError: it is one picture, or nothing that can be iterated over.
    """
    one = isinstance(pictures, (bytes, bytearray, memoryview, str))
    shape = getattr(pictures, "shape", None)
    rows = isinstance(shape, tuple) and len(shape) <= _CHANNELS
    if one or rows or not isinstance(pictures, kinds):
        raise InvalidParameterError(
            f"a {type(pictures).__name__} is no series of pictures; "
            "give a list or another iterable of pictures, or use send for one"
        )


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
        _check(picture)
        code, width, height = PIXEL_CODES[picture.format], picture.width, picture.height
        data = picture.pixels
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


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        shown = str(path)[:_SHOWN_CHARACTERS]
        reason = getattr(error, "strerror", None) or error
        raise PictureFileError(
            f"the picture {shown!r} cannot be read: {reason}; a text is the path of a picture, "
            "and what is in a file is given as bytes"
        ) from error


def _raw(picture: PixelArray, color: ColorOrder | None) -> RawPicture:
    """An array as pixels that name their format."""
    try:
        shape, dtype, tobytes = tuple(picture.shape), str(picture.dtype), picture.tobytes
    except (AttributeError, TypeError):
        raise InvalidParameterError(
            f"a {type(picture).__name__} is no picture; give the bytes of a file, its path, or an "
            "array (numpy.asarray makes one of images and tensors of others) with its color"
        ) from None
    colored = len(shape) == _CHANNELS and shape[-1] == _CHANNELS
    if dtype != "uint8" or 0 in shape or not (colored or len(shape) == 2):
        raise InvalidImageError(f"an array of {dtype} {list(shape)}; {_WHAT_IS_SENT}")
    if colored and color is None:
        raise InvalidParameterError(
            f"an array {list(shape)} does not say which channel is red; "
            'give color="bgr" for what OpenCV reads, color="rgb" for what most others do'
        )
    if color not in (("rgb", "bgr") if colored else ("gray", None)):
        raise InvalidImageError(f'an array {list(shape)} with color="{color}"; {_WHAT_IS_SENT}')
    format: PixelFormat = "mono8" if not colored else "rgb8" if color == "rgb" else "bgr8"
    return RawPicture(tobytes(), shape[1], shape[0], format)


def _check(picture: RawPicture) -> None:
    if picture.format not in PIXEL_CODES:
        formats = ", ".join(PIXEL_CODES)
        raise InvalidParameterError(f"pixels of format {picture.format!r}; there are {formats}")
    expected = picture.width * picture.height * _pixel_bytes(picture)
    if not expected or len(picture.pixels) != expected:
        raise InvalidImageError(
            f"{len(picture.pixels)} bytes of pixels; {picture.width} × {picture.height} of "
            f"{picture.format} are {expected}, of at least one pixel"
        )


def _pixel_bytes(picture: RawPicture) -> int:
    return 1 if picture.format == "mono8" else _CHANNELS


def _bmp(picture: RawPicture) -> bytes:
    _check(picture)
    pixels, palette = bytes(picture.pixels), b""
    if picture.format == "mono8":
        palette = bytes(byte for level in range(256) for byte in (level, level, level, 0))
    elif picture.format == "rgb8":
        # BMP wants blue first.
        bgr = bytearray(pixels)
        bgr[0::3], bgr[2::3] = pixels[2::3], pixels[0::3]
        pixels = bytes(bgr)
    # It also wants the lowest row first, and rows of whole four bytes.
    row_bytes = picture.width * _pixel_bytes(picture)
    padding = bytes(-row_bytes % 4)
    data_bytes = (row_bytes + len(padding)) * picture.height
    offset = _BMP_HEADER.size + len(palette)
    bits = 8 * _pixel_bytes(picture)
    header = _BMP_HEADER.pack(
        *(b"BM", offset + data_bytes, 0, 0, offset),
        *(_BMP_INFO_BYTES, picture.width, picture.height, 1, bits, 0, data_bytes, 0, 0, 0, 0),
    )
    view = memoryview(pixels)
    parts: list[bytes | memoryview] = [header, palette]
    for start in range((picture.height - 1) * row_bytes, -1, -row_bytes):
        parts += view[start : start + row_bytes], padding
    return b"".join(parts)
