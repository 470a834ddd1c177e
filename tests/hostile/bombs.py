"""Small files that make a careless decoder work or allocate much: the corpus of known ones."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image as Pillow

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_PIXELS = 50_000_000
_SIDE = 7000
"""Of a picture of 49 megapixels, which is as large as may be."""


def png_chunk(kind: bytes, data: bytes, claimed: int | None = None) -> bytes:
    """A chunk of a PNG, whose length may claim something else."""
    length = len(data) if claimed is None else claimed
    return struct.pack(">I", length) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int,
    height: int,
    *,
    bits: int = 8,
    colour: int = 2,
    interlaced: bool = False,
    before: bytes = b"",
    data: bytes | None = None,
    end: bytes = b"",
) -> bytes:
    """A PNG, all zero unless `data` has other compressed rows."""
    if data is None:
        channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
        # Interlaced rows are up to twice as many, each with a byte of its own.
        data = zeros(height * (2 + (width * bits * channels + 7) // 8))
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    palette = png_chunk(b"PLTE", bytes(768)) if colour == 3 else b""
    chunks = [png_chunk(b"IHDR", header), before, palette, png_chunk(b"IDAT", data), end]
    return SIGNATURE + b"".join(chunks) + png_chunk(b"IEND", b"")


def zeros(count: int, first: bytes = b"") -> bytes:
    """So many zeros, after other bytes, deflated."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    parts = [packer.compress(first), *(packer.compress(block) for _ in range(count >> 20))]
    parts.append(packer.compress(bytes(count & ((1 << 20) - 1))))
    return b"".join(parts) + packer.flush()


def text_length() -> bytes:
    """79 bytes: a chunk tEXt that claims 4 GiB less 16."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    text = png_chunk(b"tEXt", b"a\0" + bytes(20), claimed=0xFFFFFFF0)
    return SIGNATURE + header + text[:34] + png_chunk(b"IEND", b"")


def idat_length() -> bytes:
    """An ordinary PNG, whose IDAT length has a high bit flipped."""
    whole = bytearray(png(64, 64))
    whole[whole.index(b"IDAT") - 4] ^= 0x40
    return bytes(whole)


def much_deflated() -> bytes:
    """A PNG of 8 × 8 pixels with 1 GiB of deflated zeros."""
    return png(8, 8, data=zeros(1 << 30))


def profile_deflated() -> bytes:
    """A PNG whose colour profile is 256 MiB of deflated zeros."""
    size = 1 << 28
    packed = zeros(size - 4, first=size.to_bytes(4, "big"))
    return png(8, 8, before=png_chunk(b"iCCP", b"p\0\0" + packed))


def all_zero_png() -> bytes:
    """50 megapixels of zeros in about 139 kB: 150 MB once decoded."""
    return png(7071, 7071)


def deep_png() -> bytes:
    """49 megapixels of 16 bits and four channels, interlaced."""
    return png(_SIDE, _SIDE, bits=16, colour=6, interlaced=True)


def large_jpeg() -> bytes:
    """12 megapixels, flat, in a baseline JPEG."""
    return _saved(Pillow.new("RGB", (4000, 3000), (90, 91, 92)), "JPEG")


def many_scans() -> bytes:
    """A progressive JPEG of 195 scans over 49 megapixels, in about 200 kB."""
    flat = _saved(Pillow.new("L", (_SIDE, _SIDE), 90), "JPEG", progressive=True)
    scans = _scans(flat)
    first, refining = scans[0], scans[-1]
    head = flat[: flat.index(first)]
    blocks = 195 - len(scans)
    return head + b"".join(scans) + refining * max(0, blocks) + b"\xff\xd9"


def wide_tiff() -> bytes:
    """A TIFF of one strip that claims 49 megapixels and holds nothing."""
    return tiff({256: _SIDE, 257: _SIDE, 258: 8, 259: 1, 262: 1, 273: 8, 278: _SIDE, 279: 1 << 31})


def tiff_of_many_strips() -> bytes:
    """A TIFF that says it has 4 billion strips."""
    return tiff({256: 64, 257: 64, 258: 8, 259: 5, 262: 1}, strips=0xFFFFFFF0)


def webp_claim() -> bytes:
    """A WebP whose first chunk claims 4 GiB."""
    whole = bytearray(_saved(Pillow.new("RGB", (64, 64)), "WEBP"))
    whole[16:20] = b"\xf0\xff\xff\xff"
    return bytes(whole)


def webp_large() -> bytes:
    """49 megapixels of nothing in a lossless WebP."""
    return _saved(Pillow.fromarray(np.zeros((_SIDE, _SIDE, 3), np.uint8)), "WEBP", lossless=True)


def bmp_claim() -> bytes:
    """A BMP of 58 bytes that says it has 49 megapixels of run lengths."""
    head = b"BM" + struct.pack("<IHHI", 58, 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, _SIDE, _SIDE, 1, 8, 1, 4, 0, 0, 0, 0) + bytes(4)


def jpeg_segments() -> bytes:
    """A JPEG with 60,000 empty comments before its picture."""
    flat = _saved(Pillow.new("RGB", (64, 64)), "JPEG")
    return flat[:2] + b"\xff\xfe\0\2" * 60_000 + flat[2:]


def jpeg_fill() -> bytes:
    """A JPEG with 8 MiB of fill bytes before a marker."""
    flat = _saved(Pillow.new("RGB", (64, 64)), "JPEG")
    return flat[:2] + b"\xff" * (8 << 20) + flat[2:]


def tiff(fields: Mapping[int, int], strips: int | None = None) -> bytes:
    """A little-endian TIFF of nothing but fields of 32 bits."""
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields.items()]
    if strips is not None:
        entries += [struct.pack("<HHII", tag, 4, strips, 8) for tag in (273, 279)]
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(sorted(entries)) + bytes(4)


def _saved(picture: Pillow.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _scans(data: bytes) -> list[bytes]:
    """The scans of a JPEG, each with the tables before it."""
    starts, at = [], data.index(b"\xff\xda")
    # The tables of the first scan stay in the head.
    while at != -1:
        starts.append(at)
        at = data.find(b"\xff\xda", at + 2)
    ends = [*starts[1:], len(data) - 2]
    return [data[start:end] for start, end in zip(starts, ends, strict=True)]


BOMBS: Mapping[str, Callable[[], bytes]] = {
    "a PNG chunk that claims 4 GiB": text_length,
    "a PNG with a flipped length": idat_length,
    "a PNG of 1 GiB deflated": much_deflated,
    "a PNG with a deflated profile": profile_deflated,
    "an all-zero PNG of 50 megapixels": all_zero_png,
    "a deep interlaced PNG": deep_png,
    "a progressive JPEG of 195 scans": many_scans,
    "a JPEG of many segments": jpeg_segments,
    "a JPEG of fill bytes": jpeg_fill,
    "a TIFF that claims 49 megapixels": wide_tiff,
    "a TIFF of 4 billion strips": tiff_of_many_strips,
    "a WebP that claims 4 GiB": webp_claim,
    "a large lossless WebP": webp_large,
    "a BMP that claims 49 megapixels": bmp_claim,
}


@functools.cache
def bomb(name: str) -> bytes:
    """A bomb by its name; some take a second to make."""
    return BOMBS[name]()
