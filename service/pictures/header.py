"""Reads format and size from the first bytes of a picture, without decoding anything.

It takes microseconds, so that a picture of too many pixels, or of a kind that is not served, is
refused before it takes memory. JPEG, PNG, BMP, WebP and classic TIFF are served.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal, NoReturn

from service.errors import InvalidImageError, UnsupportedImageError

PictureFormat = Literal["JPEG", "PNG", "BMP", "WebP", "TIFF"]

_SHORTEST_HEADER = 12

_JPEG_SEGMENTS = 4096
"""Most segments before the first scan; a profile and a thumbnail take a few dozen."""

_BMP_MASKS = 3
"""Compression by which masks place the channels; 0 is none, 1 and 2 are run lengths."""

_BMP_MASKS_OF_BGR = (0xFF0000, 0xFF00, 0xFF)

_TIFF_ENTRIES = 1024
_TIFF_SUBFILE_TYPE = 254
_TIFF_WIDTH = 256
_TIFF_HEIGHT = 257
_TIFF_BITS = 258
_TIFF_PHOTOMETRIC = 262
_TIFF_SAMPLES_PER_PIXEL = 277
_TIFF_TILE_WIDTH = 322
_TIFF_TILE_HEIGHT = 323
_TIFF_EXTRA_SAMPLES = 338
_TIFF_SAMPLE_FORMAT = 339
_TIFF_TYPES = {1: "B", 3: "H", 4: "I"}
_TIFF_GREY_RGB_PALETTE_CMYK_YCC = (0, 1, 2, 3, 5, 6)
_TIFF_LOOSE_TILE = 1024
"""Side up to which tiles are taken, however small the picture is."""

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


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Facts that a picture's file declares.

    Attributes:
        format: format of the file.
        width: stored columns in pixels, before any EXIF rotation; at least 1.
        height: stored rows in pixels, before any EXIF rotation; at least 1.
        scan_start: JPEG: offset in bytes of the first scan's data, past any thumbnail; else 0.
        progressive: JPEG: whether the picture comes in several scans, each over all of it.
        straight_alpha_at: TIFF: offset of the two bytes that declare an alpha channel by which
            the colours are not multiplied yet; None without such a channel.
    """

    format: PictureFormat
    width: int
    height: int
    scan_start: int = 0
    progressive: bool = False
    straight_alpha_at: int | None = None


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
        return _read_jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _read_png(data)
    if data.startswith(b"BM"):
        return _read_bmp(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _read_webp(data)
    if data.startswith((b"II*\0", b"MM\0*")):
        return _read_tiff(data)
    if data.startswith((b"II+\0", b"MM\0+")):
        raise UnsupportedImageError("BigTIFF is not served; save it as a classic TIFF or a PNG")
    _refuse_other(data)


def _read_jpeg(data: bytes) -> ImageHeader:
    """Walk the segments up to the first scan (ITU-T T.81, annex B)."""
    at, width, height, progressive = 2, 0, 0, False
    for _ in range(_JPEG_SEGMENTS):
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == 0xFFFF:  # any marker may be preceded by fill bytes
            at += 1
            continue
        if marker < 0xFFC0 or 0xFFD0 <= marker <= 0xFFD9 or length < 2:
            break
        if marker == 0xFFDA:
            return ImageHeader(
                "JPEG", width, height, scan_start=at + 2 + length, progressive=progressive
            )
        if 0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC):
            bits, height, width = struct.unpack_from(">BHH", data, at + 4)
            if bits != 8 or marker not in (0xFFC0, 0xFFC1, 0xFFC2, 0xFFC9, 0xFFCA):
                raise UnsupportedImageError(
                    "JPEG of other than 8 bits per channel, lossless and hierarchical JPEG are "
                    "not served; send a baseline JPEG or a PNG"
                )
            progressive = marker in (0xFFC2, 0xFFCA)
        at += 2 + length
    raise InvalidImageError("the JPEG header is damaged: its segments do not lead to a picture")


def _read_png(data: bytes) -> ImageHeader:
    if data[8:16] != b"\0\0\0\x0dIHDR":
        raise InvalidImageError("the PNG header is damaged: it does not start with IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    return ImageHeader("PNG", width, height)


def _read_bmp(data: bytes) -> ImageHeader:
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


def _read_webp(data: bytes) -> ImageHeader:
    """Read the first chunk (RFC 9649): lossy, lossless or extended."""
    kind = data[12:16]
    if kind == b"VP8 ":
        start, width, height = struct.unpack_from("<3sHH", data, 23)
        if start == b"\x9d\x01\x2a":
            return ImageHeader("WebP", width & 0x3FFF, height & 0x3FFF)
    elif kind == b"VP8L":
        signature, packed = struct.unpack_from("<BI", data, 20)
        if signature == 0x2F:
            return ImageHeader("WebP", (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1)
    elif kind == b"VP8X":
        width_low, width_high, height_low, height_high = struct.unpack_from("<HBHB", data, 24)
        return ImageHeader(
            "WebP", (width_high << 16 | width_low) + 1, (height_high << 16 | height_low) + 1
        )
    raise InvalidImageError("the WebP header is damaged: its first chunk holds no picture")


class _TiffDirectory:
    """The whole-number fields of the first page (TIFF 6.0, section 2)."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order = "<" if data.startswith(b"II") else ">"
        (start,) = struct.unpack_from(self._order + "I", data, 4)
        (count,) = struct.unpack_from(self._order + "H", data, start)
        if count > _TIFF_ENTRIES:
            raise InvalidImageError(f"the TIFF header is damaged: it says {count} fields")
        # By tag: the struct code, None if it is no whole number, and the offset of the value.
        self._fields: dict[int, tuple[str | None, int]] = {}
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, length, offset = struct.unpack_from(self._order + "HHII", data, entry)
            code = _TIFF_TYPES.get(kind)
            inline = code is not None and length * struct.calcsize(code) <= 4
            # libtiff takes the first of two fields with one tag; so are the sizes checked here.
            self._fields.setdefault(tag, (code, entry + 8 if inline else offset))

    def first(self, tag: int, default: int) -> int:
        """First value of a field; `default` if the field is absent."""
        if tag not in self._fields:
            return default
        code, value_at = self._fields[tag]
        if code is None:
            raise InvalidImageError(f"the TIFF header is damaged: field {tag} is no whole number")
        value: int = struct.unpack_from(self._order + code, self._data, value_at)[0]
        return value

    def position(self, tag: int) -> int:
        """Offset in bytes of the value of a field that exists."""
        _, value_at = self._fields[tag]
        return value_at


def _read_tiff(data: bytes) -> ImageHeader:
    fields = _TiffDirectory(data)
    width, height = fields.first(_TIFF_WIDTH, 0), fields.first(_TIFF_HEIGHT, 0)
    _refuse_tiff(fields)
    _refuse_tiles(fields, width, height)
    straight_alpha = fields.first(_TIFF_EXTRA_SAMPLES, 0) == 2
    alpha_at = fields.position(_TIFF_EXTRA_SAMPLES) if straight_alpha else None
    return ImageHeader("TIFF", width, height, straight_alpha_at=alpha_at)


def _refuse_tiff(fields: _TiffDirectory) -> None:
    bits = fields.first(_TIFF_BITS, 1)
    channels = fields.first(_TIFF_SAMPLES_PER_PIXEL, 1)
    if fields.first(_TIFF_SAMPLE_FORMAT, 1) != 1:
        raise UnsupportedImageError(
            "TIFF of floating-point or signed numbers is not served, for its black and white are "
            "not defined; scale it to unsigned 8 or 16 bits"
        )
    if bits not in (1, 8, 16):
        raise UnsupportedImageError(
            f"TIFF of {bits} bits per channel is not served; save it with 8 or 16"
        )
    if not 1 <= channels <= 4:
        raise UnsupportedImageError(f"TIFF of {channels} channels is not served; send RGB or grey")
    photometric = fields.first(_TIFF_PHOTOMETRIC, 1)
    if photometric not in _TIFF_GREY_RGB_PALETTE_CMYK_YCC:
        raise UnsupportedImageError(
            f"TIFF of colour space {photometric} is not served; send RGB or grey"
        )
    if fields.first(_TIFF_SUBFILE_TYPE, 0) & 1:
        raise UnsupportedImageError(
            "the first page of the TIFF is a thumbnail, as in raw files of cameras; "
            "send the developed picture"
        )


def _refuse_tiles(fields: _TiffDirectory, width: int, height: int) -> None:
    """Refuse tiles that would cost far more memory and time than the picture itself."""
    tile_width = fields.first(_TIFF_TILE_WIDTH, 0)
    tile_height = fields.first(_TIFF_TILE_HEIGHT, 0)
    largest_width = max(width + 15, _TIFF_LOOSE_TILE)  # for sides are multiples of 16
    largest_height = max(height + 15, _TIFF_LOOSE_TILE)
    if tile_width > largest_width or tile_height > largest_height:
        raise UnsupportedImageError(
            f"the TIFF has tiles of {tile_width} × {tile_height} pixels in a picture of "
            f"{width} × {height}; save it without tiles"
        )


def _refuse_other(data: bytes) -> NoReturn:
    if data[4:8] == b"ftyp":
        what = _MEDIA_BRANDS.get(data[8:12], "a video or another media file")
    else:
        names = (name for magic, name in _OTHER_FORMATS if data.startswith(magic))
        what = next(names, "no picture that is known here")
    raise UnsupportedImageError(f"the body is {what}; send JPEG, PNG, BMP, WebP or TIFF")
