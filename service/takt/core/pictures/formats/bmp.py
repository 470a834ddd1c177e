"""BMP: its header; OpenCV refuses one that lacks rows."""

from __future__ import annotations

import struct

from takt.core.errors import InvalidImageError, UnsupportedImageError
from takt.core.pictures.formats.image_header import ImageHeader

_BMP_MASKS = 3
"""Compression by which masks place the channels; 0 is none, 1 and 2 are run lengths."""

_BMP_MASKS_OF_BGR = (0xFF0000, 0xFF00, 0xFF)


def read_bmp(data: bytes) -> ImageHeader:
    """Size of a BMP, whose header comes in two kinds."""
    (header_size,) = struct.unpack_from("<I", data, 14)
    if header_size == 12:
        width, height = struct.unpack_from("<HH", data, 18)
        return ImageHeader("BMP", width, height)
    if not 40 <= header_size <= 124:
        raise InvalidImageError(f"the BMP header is damaged: it says {header_size} bytes long")
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    _refuse_bmp(data, bits, compression)
    return ImageHeader("BMP", width, abs(height))


def _refuse_bmp(data: bytes, bits: int, compression: int) -> None:
    if compression > _BMP_MASKS:
        raise UnsupportedImageError(
            f"BMP of compression {compression} is not served; save it without compression"
        )
    if bits == 16:
        raise UnsupportedImageError("BMP of 16 bits per pixel is not served; save it with 24")
    if compression == _BMP_MASKS and struct.unpack_from("<III", data, 54) != _BMP_MASKS_OF_BGR:
        raise UnsupportedImageError(
            "BMP with channels in an order of its own is not served; save it with 24 bits per pixel"
        )
