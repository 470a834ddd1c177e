"""Reads format and size from the first bytes of a picture, without decoding anything.

It takes microseconds, so that a picture of too many pixels, or of a kind that is not served, is
refused before it takes memory. JPEG, PNG, BMP, WebP and classic TIFF are served.
"""

from __future__ import annotations

import struct
from typing import NoReturn

from takt.core.errors import InvalidImageError, UnsupportedImageError
from takt.core.pictures.formats.bmp import read_bmp
from takt.core.pictures.formats.image_header import ImageHeader
from takt.core.pictures.formats.jpeg import read_jpeg
from takt.core.pictures.formats.png import SIGNATURE, read_png
from takt.core.pictures.formats.tiff import read_tiff
from takt.core.pictures.formats.webp import read_webp

_SHORTEST_HEADER = 12

_OTHER_FORMATS: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"<", "a text such as SVG or HTML"),
    (b"{", "JSON"),
    (b"data:", "a data URL (send the bytes that it encodes)"),
    (b"/9j/", "Base64 text (send the bytes that it encodes)"),
    (b"iVBORw0KGgo", "Base64 text (send the bytes that it encodes)"),
)

_MEDIA_BRANDS = {
    b"avif": "an AVIF picture",
    b"avis": "an AVIF picture",
    b"heic": "a HEIC picture",
    b"mif1": "a HEIF picture",
}


def read_header(data: bytes) -> ImageHeader:
    """Find the format and size of an encoded picture.

    >>> read_header(b"BM" + bytes(12) + struct.pack("<IHH", 12, 640, 480)).width
    640

    Args:
        data: the whole file, or enough of its beginning.

    Raises:
        InvalidImageError: the header is cut short or contradicts itself.
        UnsupportedImageError: another format, or a kind of one of the five that is not served.
    """
    if not data:
        raise InvalidImageError("there is no picture: the body is empty")
    if len(data) < _SHORTEST_HEADER:
        raise InvalidImageError(f"{len(data)} bytes are too few for a picture; send the whole file")
    try:
        header = _read(data)
    except struct.error:
        raise InvalidImageError("the picture is cut short within its header") from None
    if header.width < 1 or header.height < 1:
        raise InvalidImageError(
            f"the {header.format} header is damaged: it says "
            f"{header.width} × {header.height} pixels"
        )
    return header


def _read(data: bytes) -> ImageHeader:
    if data.startswith(b"\xff\xd8"):
        return read_jpeg(data)
    if data.startswith(SIGNATURE):
        return read_png(data)
    if data.startswith(b"BM"):
        return read_bmp(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return read_webp(data)
    if data.startswith((b"II*\0", b"MM\0*")):
        return read_tiff(data)
    if data.startswith((b"II+\0", b"MM\0+")):
        raise UnsupportedImageError("BigTIFF is not served; save it as a classic TIFF or a PNG")
    _refuse_other(data)


def _refuse_other(data: bytes) -> NoReturn:
    if data[4:8] == b"ftyp":
        what = _MEDIA_BRANDS.get(data[8:12], "a video or another media file")
    else:
        names = (name for magic, name in _OTHER_FORMATS if data.startswith(magic))
        what = next(names, "no picture that is known here")
    raise UnsupportedImageError(f"the body is {what}; send JPEG, PNG, BMP, WebP or TIFF")
