"""How a file says to turn its picture: the EXIF orientation, as OpenCV reads it.

TIFF is left out, whose pictures OpenCV and Pillow turn themselves, whatever one asks for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from takt.core.errors import InvalidImageError
from takt.core.pictures.formats.image_header import ImageHeader
from takt.core.pictures.formats.tiff_directory import TiffDirectory

UPRIGHT = 1
_ORIENTATION = 274
_LAST = 8
_EXIF = b"Exif\0\0"
_MOST_PARTS = 65_536


def orientation_of(data: bytes, header: ImageHeader) -> int:
    """The EXIF orientation, 1 to 8; 1, upright, where the file has none that makes sense.

    Args:
        data: the whole file.
        header: of the file.
    """
    try:
        for exif in _exif(data, header):
            directory = TiffDirectory(exif, TiffDirectory.first_at(exif))
            found = directory.first(_ORIENTATION, UPRIGHT)
            return found if UPRIGHT <= found <= _LAST else UPRIGHT
    except (struct.error, InvalidImageError):
        pass  # the decoder turns nothing either
    return UPRIGHT


def _exif(data: bytes, header: ImageHeader) -> Iterator[bytes]:
    """The EXIF data of a file, which is a TIFF without a picture."""
    match header.format:
        case "JPEG":
            yield from _of_jpeg(data)
        case "PNG":
            yield from _of_chunks(data, 8, b"eXIf", ">I4s", trailer=4)
        case "WebP":
            for exif in _of_chunks(data, 12, b"EXIF", "<4sI", trailer=0):
                yield exif.removeprefix(_EXIF)
        case "TIFF" | "BMP":
            return


def _of_jpeg(data: bytes) -> Iterator[bytes]:
    at = 2
    for _ in range(_MOST_PARTS):
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == 0xFFFF:
            at += 1
            continue
        if marker == 0xFFDA or marker < 0xFFC0:
            return
        content = data[at + 4 : at + 2 + length] if marker == 0xFFE1 else b""
        if content.startswith(_EXIF):
            yield content.removeprefix(_EXIF)
        at += 2 + length


def _of_chunks(data: bytes, at: int, wanted: bytes, head: str, trailer: int) -> Iterator[bytes]:
    """The content of chunks of a kind; PNG's have a checksum after it, WebP's an even length."""
    for _ in range(_MOST_PARTS):
        if at + 8 > len(data):
            return
        first, second = struct.unpack_from(head, data, at)
        kind, length = (first, second) if head.startswith("<") else (second, first)
        if kind == wanted:
            yield data[at + 8 : at + 8 + length]
        at += 8 + length + (trailer or length % 2)
