"""JPEG (ITU-T T.81, annex B): its header, and how often its scans pass over the picture.

Each scan is a pass over all blocks, whatever it holds: 75 bytes cost 30 ms at 49 megapixels.
"""

from __future__ import annotations

import re
import struct

from takt.core.errors import InvalidImageError, UnsupportedImageError
from takt.core.pictures.formats.image_header import ImageHeader

END = b"\xff\xd9"
_SCAN = b"\xff\xda"
_CUT = "the JPEG is cut short; send the whole file"

_SEGMENTS = 4096
"""Most segments before the first scan; a profile and a thumbnail take a few dozen."""

_SCANS = 200
_PASSES = 30
"""Components times scans that any size may have; libjpeg writes 14 in colour and 24 in CMYK."""

_PASSED_PIXELS = 1_500_000_000
"""Pixels times passes of a JPEG of more passes; they take one to two seconds."""

_QUICK_PIXELS = 250_000_000
"""Pixels times passes that may be decoded a second time, to look for lost data."""

_BLOCK = 256 * 1024

_PLAIN = frozenset((*range(0xFFE0, 0xFFF0), 0xFFC4, 0xFFDB, 0xFFDD, 0xFFFE))
"""Segments that say nothing of the size: APPn, DHT, DQT, DRI and COM, most of a file's."""

_segment = struct.Struct(">HH").unpack_from
_next_marker = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]").search
"""Finds a marker but the restarts, which lie within a scan."""


def read_jpeg(data: bytes) -> ImageHeader:
    """Walk the segments up to the first scan."""
    at, width, height, components, progressive = 2, 0, 0, 0, False
    for _ in range(_SEGMENTS):
        marker, length = _segment(data, at)
        if marker in _PLAIN and length >= 2:
            at += 2 + length
            continue
        if marker == 0xFFFF:  # any marker may be preceded by fill bytes
            at += 1
            continue
        if marker < 0xFFC0 or 0xFFD0 <= marker <= 0xFFD9 or length < 2:
            break
        if marker == 0xFFDA:
            (in_scan,) = struct.unpack_from(">B", data, at + 4)
            several_scans = progressive or in_scan < components
            return ImageHeader(
                "JPEG",
                width,
                height,
                scan_start=at + 2 + length,
                components=components,
                several_scans=several_scans,
                # Of several scans, all coefficients are kept, each of two bytes.
                bytes_per_pixel=max(6, 3 + 2 * components) if several_scans else 6,
            )
        if 0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC):
            bits, height, width, components = struct.unpack_from(">BHHB", data, at + 4)
            if bits != 8 or marker not in (0xFFC0, 0xFFC1, 0xFFC2, 0xFFC9, 0xFFCA):
                raise UnsupportedImageError(
                    "JPEG of other than 8 bits per channel, lossless and hierarchical JPEG are "
                    "not served; send a baseline JPEG or a PNG"
                )
            progressive = marker in (0xFFC2, 0xFFCA)
        at += 2 + length
    raise InvalidImageError("the JPEG header is damaged: its segments do not lead to a picture")


def checked_jpeg(data: bytes, header: ImageHeader) -> bytes:
    """The JPEG, as it came.

    Raises:
        InvalidImageError: the file is cut short, or has more scans than anything needs.
    """
    if data.rfind(END, header.scan_start) < 0:
        raise InvalidImageError(_CUT)
    if header.several_scans:
        passes = _passes(data, header, _PASSES)
        if passes > _PASSES and passes * header.width * header.height > _PASSED_PIXELS:
            raise InvalidImageError(
                f"the JPEG's scans pass {passes} times over {header.width} × {header.height} "
                "pixels; save it again as a baseline JPEG"
            )
    return data


def is_quick(data: bytes, header: ImageHeader) -> bool:
    """Whether the JPEG may be decoded a second time."""
    if not header.several_scans:
        return True
    most = _QUICK_PIXELS // (header.width * header.height)
    return _passes(data, header, most) <= most


def _passes(data: bytes, header: ImageHeader, enough: int) -> int:
    """Passes over one component's blocks, in all scans; up to `enough`, it may be too high."""
    scans = 1 + data.count(_SCAN, header.scan_start)
    if scans * header.components <= enough:
        return scans * header.components
    scans, passes, at = 1, header.components, header.scan_start
    for _ in range(_SEGMENTS):
        at = _marker_after(data, at)
        marker = data[at + 1]
        if marker == 0xD9:
            return passes
        at += 2
        if marker in (0x01, 0xD8):  # these have no length
            continue
        if at + 3 > len(data):
            raise InvalidImageError(_CUT)
        if marker == 0xDA:
            scans += 1
            passes += data[at + 2]
        at += int.from_bytes(data[at : at + 2], "big")
        if scans > _SCANS:
            break
    raise InvalidImageError(
        f"the JPEG has more than {_SCANS} scans or {_SEGMENTS} segments; save it again as a "
        "baseline JPEG"
    )


def _marker_after(data: bytes, at: int) -> int:
    """Offset of the next marker; looked for in blocks, as a search lets no other thread run."""
    for block in range(at, len(data) - 1, _BLOCK):
        found = _next_marker(data, block, block + _BLOCK + 1)
        if found:
            return found.start()
    raise InvalidImageError(_CUT)
