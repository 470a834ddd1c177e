"""Real pictures of every kind that is served, and what a hostile or broken sender makes of them.

All is drawn from a seed: the same number gives the same bytes.
"""

from __future__ import annotations

import functools
import io
import random
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image as Pillow

from tests.hostile.bombs import png, png_chunk

WIDTH, HEIGHT = 96, 72
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A picture that was tampered with.

    Attributes:
        name: what it was, and what was done to it.
        data: its bytes.
    """

    name: str
    data: bytes


def _saved(picture: Pillow.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _tiff(array: NDArray[Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def _two_pages(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for _ in range(2):
            writer.write(array, photometric="rgb", contiguous=False)
    return buffer.getvalue()


def _part() -> Pillow.Image:
    """A textured part with a scratch; it compresses like a camera's picture."""
    rng = np.random.default_rng(15)
    coarse = rng.normal(128, 40, (HEIGHT // 8, WIDTH // 8, 3)).clip(0, 255).astype(np.uint8)
    return Pillow.fromarray(coarse).resize((WIDTH, HEIGHT), Pillow.Resampling.BICUBIC)


@functools.cache
def originals() -> Mapping[str, bytes]:
    """One good picture of each kind, by name."""
    part = _part()
    grey, turned = part.convert("L"), part.rotate(180)
    array = np.asarray(part)
    exif = Pillow.Exif()
    exif[274] = 6
    rgb: dict[str, Any] = {"photometric": "rgb"}
    return {
        "jpeg": _saved(part, "JPEG", quality=90),
        "jpeg progressive": _saved(part, "JPEG", progressive=True),
        "jpeg grey": _saved(grey, "JPEG"),
        "jpeg cmyk": _saved(part.convert("CMYK"), "JPEG"),
        "jpeg restart": _saved(part, "JPEG", restart_marker_blocks=4),
        "jpeg exif": _saved(part, "JPEG", exif=exif, comment=b"line 3"),
        "png": _saved(part, "PNG"),
        "png palette": _saved(part.quantize(16), "PNG"),
        "png alpha": _saved(part.convert("RGBA"), "PNG"),
        "png 16 bits": _saved(Pillow.fromarray(array[..., 0].astype(np.uint16) * 257), "PNG"),
        "png one bit": _saved(part.convert("1"), "PNG"),
        "apng": _saved(part, "PNG", save_all=True, append_images=[turned]),
        "bmp": _saved(part, "BMP"),
        "bmp palette": _saved(part.quantize(16), "BMP"),
        "bmp one bit": _saved(part.convert("1"), "BMP"),
        "webp": _saved(part, "WEBP"),
        "webp lossless": _saved(part, "WEBP", lossless=True),
        "webp extended": _saved(part.convert("RGBA"), "WEBP", exif=exif),
        "webp animated": _saved(part, "WEBP", save_all=True, append_images=[turned]),
        "tiff": _tiff(array, **rgb),
        "tiff big-endian": _tiff(array, byteorder=">", **rgb),
        "tiff tiled": _tiff(array, tile=(32, 32), **rgb),
        "tiff 16 bits": _tiff(array[..., 0].astype(np.uint16) * 257, photometric="minisblack"),
        "tiff lzw": _saved(part, "TIFF", compression="tiff_lzw"),
        "tiff deflate": _saved(part, "TIFF", compression="tiff_adobe_deflate"),
        "tiff packbits": _saved(part, "TIFF", compression="packbits"),
        "tiff jpeg": _saved(part, "TIFF", compression="jpeg"),
        "tiff one bit": _saved(part.convert("1"), "TIFF", compression="group4"),
        "tiff two pages": _two_pages(array),
    }


Mutation = Callable[[random.Random, bytes], bytes]


def _cut(rng: random.Random, data: bytes) -> bytes:
    # Half of the cuts lie where they are hard to see: in the last bytes.
    return data[: rng.randrange(len(data)) if rng.random() < 0.5 else -rng.randint(1, 40)]


def _flip(rng: random.Random, data: bytes) -> bytes:
    damaged = bytearray(data)
    end = len(data) if rng.random() < 0.6 else min(len(data), 256)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        damaged[rng.randrange(end)] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _field(rng: random.Random, data: bytes) -> bytes:
    """A number somewhere becomes an extreme one, of 1, 2 or 4 bytes and either order."""
    size = rng.choice((1, 2, 4, 4))
    at = rng.randrange(max(1, min(len(data), rng.choice((64, 512, len(data)))) - size))
    value = rng.choice((*_EXTREMES, len(data), len(data) + 1, rng.getrandbits(32)))
    order = rng.choice(("little", "big"))
    number = (value % (1 << 8 * size)).to_bytes(size, order)  # type: ignore[arg-type]
    return data[:at] + number + data[at + size :]


def _splice(rng: random.Random, data: bytes) -> bytes:
    """The head of one file before the body of another."""
    other = rng.choice(list(originals().values()))
    head = rng.choice((8, 16, 33, 64, 200, len(other) // 2))
    return other[:head] + data[rng.choice((0, 2, 8, 12, 33, 64, head)) :]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data))
    part = data[start : start + rng.choice((1, 4, 12, 64, 1024))]
    return data[:start] + part * rng.choice((2, 3, 50, 400)) + data[start:]


def _remove(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.choice((1, 2, 4, 12, 64, 1024)) :]


def _fill(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data))
    count = rng.choice((4, 32, 512))
    return data[:start] + bytes([rng.choice((0, 0xFF))]) * count + data[start + count :]


def _claim(rng: random.Random, data: bytes) -> bytes:
    """A length that the file's own structure claims becomes another; checksums are right again."""
    places = length_places(data)
    if not places:
        return _field(rng, data)
    at, code = rng.choice(places)
    size = struct.calcsize(code)
    (old,) = struct.unpack_from(code, data, at)
    high = 1 << rng.randrange(8 * size)
    value = rng.choice((*_EXTREMES, old + 1, max(0, old - 1), old ^ high, len(data)))
    return _sealed(data[:at] + struct.pack(code, value % (1 << 8 * size)) + data[at + size :])


def length_places(data: bytes) -> list[tuple[int, str]]:
    """Where a file says how long or how large something is, with the code of the number."""
    places = _claimed_places(data) if len(data) >= 12 else []
    return [(at, code) for at, code in places if at + struct.calcsize(code) <= len(data)]


def _claimed_places(data: bytes) -> list[tuple[int, str]]:
    if data.startswith(b"\x89PNG"):
        sizes = [(16, ">I"), (20, ">I")]
        return sizes + [(at, ">I") for at, _, _ in _png_chunks(data)]
    if data.startswith(b"\xff\xd8"):
        return _jpeg_places(data)
    if data.startswith(b"BM"):
        return [(at, "<I") for at in (2, 10, 14, 18, 22, 34, 46, 50)]
    if data.startswith(b"RIFF"):
        return [(4, "<I"), (24, "<I"), (27, "<I"), *((at + 4, "<I") for at in _riff_chunks(data))]
    if data.startswith((b"II", b"MM")):
        return _tiff_places(data)
    return []


def _png_chunks(data: bytes) -> list[tuple[int, bytes, int]]:
    found, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.append((at, data[at + 4 : at + 8], length))
        at += 12 + length
    return found


def _jpeg_places(data: bytes) -> list[tuple[int, str]]:
    found, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = struct.unpack_from(">HH", data, at)
        found.append((at + 2, ">H"))
        if marker in (0xFFC0, 0xFFC2):
            found += [(at + 5, ">H"), (at + 7, ">H"), (at + 9, ">B"), (at + 11, ">B")]
        if marker == 0xFFDA:
            break
        at += 2 + length
    return found


def _riff_chunks(data: bytes) -> list[int]:
    found, at = [], 12
    while at + 8 <= len(data):
        found.append(at)
        (length,) = struct.unpack_from("<I", data, at + 4)
        at += 8 + length + length % 2
    return found


def _tiff_places(data: bytes) -> list[tuple[int, str]]:
    order = "<" if data.startswith(b"II") else ">"
    (start,) = struct.unpack_from(order + "I", data, 4)
    if start + 2 > len(data):  # damaged before
        return [(4, order + "I")]
    (count,) = struct.unpack_from(order + "H", data, start)
    found = [(4, order + "I"), (start, order + "H")]
    for entry in range(start + 2, min(start + 2 + 12 * count, len(data) - 12), 12):
        found += [(entry + 2, order + "H"), (entry + 4, order + "I"), (entry + 8, order + "I")]
    return found


def _sealed(data: bytes) -> bytes:
    """A PNG with checksums that are right again, so that the damage is not found by them alone."""
    if not data.startswith(b"\x89PNG"):
        return data
    sealed = bytearray(data)
    for at, _, length in _png_chunks(data):
        end = at + 8 + length
        if end + 4 <= len(data):
            struct.pack_into(">I", sealed, end, zlib.crc32(data[at + 4 : end]))
    return bytes(sealed)


def _many_chunks(rng: random.Random, _: bytes) -> bytes:
    """A small PNG with chunks that cost more than they say."""
    count, kind = rng.choice((10, 1000, 20_000)), rng.choice((b"tEXt", b"eXIf", b"fcTL", b"IDAT"))
    one = png_chunk(kind, rng.randbytes(rng.choice((0, 1, 26))))
    return png(WIDTH, HEIGHT, before=one * count)


MUTATIONS: Mapping[str, Mutation] = {
    "cut": _cut,
    "bits flipped": _flip,
    "a field overwritten": _field,
    "a length claimed": _claim,
    "spliced": _splice,
    "repeated": _repeat,
    "bytes removed": _remove,
    "filled": _fill,
    "chunks": _many_chunks,
}
_WEIGHTS = (4, 5, 4, 6, 3, 1, 2, 1, 0.2)


def mutant(rng: random.Random) -> Mutant:
    """A tampered picture."""
    kind, data = rng.choice(list(originals().items()))
    names = list(MUTATIONS)
    done = rng.choices(names, _WEIGHTS, k=rng.choice((1, 1, 1, 2)))
    for name in done:
        data = MUTATIONS[name](rng, data) or b"\0"
    return Mutant(f"{kind}, {', then '.join(done)}", data)
