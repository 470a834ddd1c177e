"""WebP (RFC 9649): its header, and whether all of it is there."""

from __future__ import annotations

import struct

from takt.core.errors import InvalidImageError
from takt.core.pictures.formats.image_header import ImageHeader


def read_webp(data: bytes) -> ImageHeader:
    """Read the first chunk: lossy, lossless or extended."""
    kind = data[12:16]
    if kind == b"VP8 ":
        start, width, height = struct.unpack_from("<3sHH", data, 23)
        if start == b"\x9d\x01\x2a":
            return ImageHeader("WebP", width & 0x3FFF, height & 0x3FFF)
    elif kind == b"VP8L":
        signature, packed = struct.unpack_from("<BI", data, 20)
        if signature == 0x2F:
            return ImageHeader(
                "WebP", (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1, bytes_per_pixel=8
            )
    elif kind == b"VP8X":
        width_low, width_high, height_low, height_high = struct.unpack_from("<HBHB", data, 24)
        animated = data[20] & 2
        return ImageHeader(
            "WebP",
            (width_high << 16 | width_low) + 1,
            (height_high << 16 | height_low) + 1,
            bytes_per_pixel=12 if animated else 9,
        )
    raise InvalidImageError("the WebP header is damaged: its first chunk holds no picture")


def checked_webp(data: bytes) -> bytes:
    """The WebP, as it came.

    Raises:
        InvalidImageError: the file is cut short.
    """
    if int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise InvalidImageError("the WebP is cut short; send the whole file")
    return data
