"""The pictures that a caller may hand over, made ready for the wire."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.domain import RawPicture
from service.errors import InvalidImageError

Picture = bytes | Path | NDArray[np.uint8]
"""An encoded picture, the path of one, or RGB uint8 [height, width, 3]."""

_BMP_HEADER = struct.Struct("<2sIHHIIiiHHIIiiII")
_INFO_BYTES = 40
_BITS_PER_PIXEL = 24


def encoded(picture: Picture) -> bytes:
    """The picture as a file's bytes; an array becomes a BMP, which is exact and costs no time.

    Raises:
        InvalidImageError: an array of another shape or type.
        OSError: the path cannot be read.
    """
    if isinstance(picture, np.ndarray):
        return _bmp(_checked(picture))
    return picture.read_bytes() if isinstance(picture, Path) else picture


def for_frame(picture: Picture | RawPicture) -> bytes | RawPicture:
    """The picture as a frame carries it; an array goes as raw pixels.

    Raises:
        InvalidImageError: an array of another shape or type.
        OSError: the path cannot be read.
    """
    if isinstance(picture, np.ndarray):
        height, width, _ = _checked(picture).shape
        return RawPicture(picture.tobytes(), width, height, "rgb8")
    return picture.read_bytes() if isinstance(picture, Path) else picture


def _checked(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise InvalidImageError(
            f"an array of {picture.dtype}, {list(picture.shape)}; send uint8 [height, width, 3], "
            "its channels red, green, blue"
        )
    return picture


def _bmp(picture: NDArray[np.uint8]) -> bytes:
    height, width, _ = picture.shape
    stride = -(-width * 3 // 4) * 4
    rows = np.zeros((height, stride), np.uint8)
    # BMP wants blue first and the lowest row first.
    rows[:, : width * 3] = picture[::-1, :, ::-1].reshape(height, width * 3)
    header = _BMP_HEADER.pack(
        b"BM",
        _BMP_HEADER.size + rows.size,
        0,
        0,
        _BMP_HEADER.size,
        _INFO_BYTES,
        width,
        height,
        1,
        _BITS_PER_PIXEL,
        0,
        rows.size,
        0,
        0,
        0,
        0,
    )
    return header + rows.tobytes()
