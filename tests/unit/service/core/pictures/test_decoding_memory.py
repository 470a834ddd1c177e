"""What a hostile file costs in memory, measured in a process of its own."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from takt.core.pictures.header import read_header

MIB = 2**20

PEAK_OF_DECODING = """
import re, sys
from pathlib import Path
import cv2, numpy
from takt.core.errors import RequestError
from takt.core.pictures.decode import decode

cv2.setNumThreads(1)

def figure(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

for suffix in (".jpg", ".png", ".webp", ".tiff"):
    decode(cv2.imencode(suffix, numpy.zeros((64, 64, 3), numpy.uint8))[1].tobytes(), 10**6)

for file in sys.argv[1:]:
    data = Path(file).read_bytes()
    Path("/proc/self/clear_refs").write_text("5")
    before = figure("VmRSS")
    try:
        decode(data, 50_000_000)
    except RequestError:
        pass
    print(figure("VmHWM") - before)
"""
"""Prints the growth of resident memory in bytes for each file."""


def peaks(folder: Path, *files: bytes) -> list[int]:
    paths = [folder / str(number) for number in range(len(files))]
    for path, data in zip(paths, files, strict=True):
        path.write_bytes(data)
    ran = subprocess.run(
        [sys.executable, "-c", PEAK_OF_DECODING, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return [int(line) for line in ran.stdout.split()]


def chunk(kind: bytes, content: bytes, length: int | None = None) -> bytes:
    claimed = len(content) if length is None else length
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", claimed) + kind + content + checksum


def png(*chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    image = chunk(b"IDAT", zlib.compress(bytes(200)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + image + chunk(b"IEND", b"")


def packed_text(kind: bytes, before: bytes) -> bytes:
    return png(chunk(kind, before + zlib.compress(b"x" * 7_900_000, 9)) * 100)


def tiff(*fields: tuple[int, int, int, int]) -> bytes:
    entries = b"".join(struct.pack("<HHII", *field) for field in sorted(fields))
    return b"II*\0" + struct.pack("<IH", 8, len(fields)) + entries + bytes(400)


def saved(format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture = Pillow.new("RGBA" if format == "WEBP" else "RGB", (16, 16))
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def webp_claiming(kind: bytes) -> bytes:
    data = saved("WEBP", save_all=True, append_images=[Pillow.new("RGBA", (16, 16), (9, 9, 9, 9))])
    at = data.index(kind) + 4
    return data[:at] + b"\xf0\xff\xff\x7f" + data[at + 4 :]


def bmp(header_bytes: int, pixels_at: int, colours: int) -> bytes:
    head = struct.pack("<4sHHI", b"", 0, 0, pixels_at)
    fields = (header_bytes, 8, 8, 1, 8, 0, 0, 0, 0, colours, 0)
    return b"BM" + head[0:12] + struct.pack("<IiiHHIIiiII", *fields) + bytes(400)


GREY = ((256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (262, 3, 1, 1))
CLAIMS = {
    **{
        f"png {kind.decode()}": png(chunk(kind, b"", 0xFFFFFFF0))
        for kind in (b"tEXt", b"IDAT", b"PLTE", b"tRNS", b"fdAT", b"zTXt", b"iCCP", b"eXIf")
    },
    "png packed texts": packed_text(b"zTXt", b"a\0\0"),
    "png packed international texts": packed_text(b"iTXt", b"a\0\1\0\0\0"),
    **{
        f"tiff field {tag}": tiff(*GREY, (273, 4, 1, 8), (279, 4, 1, 64), (tag, 7, 0x3FFFFFF0, 8))
        for tag in (270, 320, 330, 347, 700, 33723, 34377, 34665, 34675)
    },
    "tiff offsets": tiff(*GREY, (273, 4, 0x3FFFFFF0, 8), (279, 4, 0x3FFFFFF0, 8)),
    "tiff size of a strip": tiff(*GREY, (273, 4, 1, 8), (279, 4, 1, 0x7FFFFFFF)),
    "tiff size of a packed strip": tiff(
        *GREY, (259, 3, 1, 5), (273, 4, 1, 8), (279, 4, 1, 0x7FFFFFFF)
    ),
    "tiff tile": tiff(
        (256, 4, 1, 250_000), (257, 4, 1, 16), *GREY[2:], (322, 4, 1, 249_984), (323, 4, 1, 1008)
    ),
    **{f"webp {kind.decode()}": webp_claiming(kind) for kind in (b"ANIM", b"ANMF", b"VP8X")},
    "bmp header": bmp(124, 54, 0),
    "bmp offset": bmp(40, 0x7FFFFFF0, 0),
    "bmp colours": bmp(40, 54, 0x7FFFFFFF),
    "jpeg profile": saved("JPEG").replace(
        b"\xff\xdb", b"\xff\xe2\xff\xffICC_PROFILE\0\1\xff\xff\xdb", 1
    ),
}


def test_no_claim_of_a_small_file_takes_memory(tmp_path: Path) -> None:
    grown = dict(zip(CLAIMS, peaks(tmp_path, *CLAIMS.values()), strict=True))

    assert {name: size for name, size in grown.items() if size > 24 * MIB} == {}


def jpeg(**options: object) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Pillow.fromarray(noise).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def encoded(suffix: str, dtype: type = np.uint8, channels: int = 3) -> bytes:
    return cv2.imencode(suffix, np.zeros((900, 1200, channels), dtype))[1].tobytes()


def animated_png() -> bytes:
    buffer = io.BytesIO()
    first, second = (Pillow.new("RGBA", (1200, 900), (n, 0, 0, n)) for n in (1, 2))
    first.save(buffer, "PNG", save_all=True, append_images=[second])
    return buffer.getvalue()


def animated_webp() -> bytes:
    buffer = io.BytesIO()
    first, second = (Pillow.new("RGBA", (1200, 900), (n, 0, 0, n)) for n in (1, 2))
    first.save(buffer, "WEBP", save_all=True, append_images=[second], method=0, lossless=True)
    return buffer.getvalue()


def one_strip() -> bytes:
    buffer = io.BytesIO()
    picture = Pillow.new("RGBA", (1200, 900))
    picture.save(buffer, "TIFF", compression="tiff_adobe_deflate", strip_size=2**30)
    return buffer.getvalue()


def turned(format: str) -> bytes:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Pillow.new("RGB", (1200, 900)).save(buffer, format, exif=exif)
    return buffer.getvalue()


MAKERS: list[Callable[[], bytes]] = [
    lambda: jpeg(),
    lambda: jpeg(progressive=True, subsampling=0),
    lambda: encoded(".png"),
    lambda: encoded(".png", np.uint16),
    lambda: encoded(".bmp"),
    lambda: encoded(".webp"),
    lambda: encoded(".webp", channels=4),
    lambda: encoded(".tiff"),
    lambda: encoded(".tiff", np.uint16),
    animated_png,
    animated_webp,
    one_strip,
    lambda: turned("JPEG"),
    lambda: turned("PNG"),
    lambda: turned("TIFF"),
]


def test_decoding_takes_no_more_memory_than_the_header_tells(tmp_path: Path) -> None:
    files = [make() for make in MAKERS]

    grown = peaks(tmp_path, *files)

    told = [read_header(data).decoding_bytes for data in files]
    slack = [len(data) + 4 * MIB for data in files]
    over = [peak - most - more for peak, most, more in zip(grown, told, slack, strict=True)]
    assert max(over) <= 0, over


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_the_header_tells_the_memory_from_the_beginning_of_a_file(kind: str) -> None:
    data = saved(kind)

    assert read_header(data[:700]).decoding_bytes >= 6 * 16 * 16
