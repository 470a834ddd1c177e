"""All pages of a TIFF have to be there, and none may cost far more than its pixels."""

from __future__ import annotations

import io
import struct
import time
from typing import Any, Literal

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as Pillow

from takt.core.errors import InvalidImageError, RequestError, UnsupportedImageError
from takt.core.pictures.decode import decode

MAX_PIXELS = 50_000_000
Field = tuple[int, int, int, bytes]


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


def tiff(byteorder: Literal["<", ">"] = "<", **options: Any) -> bytes:
    """Four pages, each with all that belongs to it."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, byteorder=byteorder) as writer:
        for page in noise(4, 64, 64, 3):
            writer.write(page, photometric="rgb", contiguous=False, metadata=None, **options)
    return buffer.getvalue()


def with_pillow(*pages: Pillow.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:], **options)
    return buffer.getvalue()


def longs(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def written(*fields: Field, following: int = 0, tail: bytes = b"") -> bytes:
    """A TIFF of (tag, type, count, value) fields, with long values behind the directory."""
    behind = 8 + 2 + 12 * len(fields) + 4
    entries = values = b""
    for tag, kind, count, value in sorted(fields):
        if len(value) > 4:
            value, values = longs(behind + len(values)), values + value
        entries += struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
    head = b"II*\0" + longs(8) + struct.pack("<H", len(fields))
    return head + entries + longs(following) + values + tail


def grey(
    width: int, height: int, rows: int, packing: int, offsets: bytes, sizes: bytes
) -> list[Field]:
    return [
        (256, 4, 1, longs(width)),
        (257, 4, 1, longs(height)),
        (258, 3, 1, longs(8)),
        (259, 3, 1, longs(packing)),
        (262, 3, 1, longs(1)),
        (273, 4, len(offsets) // 4, offsets),
        (278, 4, 1, longs(rows)),
        (279, 4, len(sizes) // 4, sizes),
    ]


PAGES = [Pillow.fromarray(noise(64, 64, 3)) for _ in range(4)]

SEVERAL = {
    "tifffile": tiff(),
    "tifffile zlib": tiff(compression="zlib"),
    "tifffile tiles": tiff(tile=(32, 32)),
    "tifffile big-endian": tiff(byteorder=">"),
    "tifffile strips": tiff(rowsperstrip=3),
    "pillow": with_pillow(*PAGES),
    "pillow lzw": with_pillow(*PAGES, compression="tiff_lzw"),
    "pillow jpeg": with_pillow(*PAGES, compression="jpeg"),
}
several = pytest.mark.parametrize("data", SEVERAL.values(), ids=SEVERAL.keys())


@several
def test_a_tiff_cut_behind_its_first_page_is_refused(data: bytes) -> None:
    assert decode(data, MAX_PIXELS).shape == (64, 64, 3)

    end = len(data.rstrip(b"\0"))  # writers fill up behind the last page
    for length in [*range(1, end, end // 60), *range(end - 8, end)]:
        with pytest.raises(InvalidImageError):
            decode(data[:length], MAX_PIXELS)


def test_a_tiff_cut_within_its_smaller_pages_is_refused() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(noise(64, 64, 3), photometric="rgb", subifds=1)
        writer.write(noise(32, 32, 3), photometric="rgb", subfiletype=1)
    data = buffer.getvalue()
    assert decode(data, MAX_PIXELS).shape == (64, 64, 3)

    with pytest.raises(InvalidImageError, match="beyond its end"):
        decode(data[:-100], MAX_PIXELS)


def test_a_tiff_whose_first_page_is_jpeg_and_cut_is_refused() -> None:
    data = with_pillow(Pillow.fromarray(noise(64, 64, 3)), compression="jpeg")
    offset = struct.unpack_from("<I", data, 4)[0]
    whole = decode(data, MAX_PIXELS)
    if offset < 100:
        data = data[:-200]
    else:  # the directory is at the end: say that the strip is longer than it is
        at = data.index(struct.pack("<HH", 279, 4))
        data = data[: at + 8] + longs(len(data)) + data[at + 12 :]
    assert whole.shape == (64, 64, 3)

    with pytest.raises(InvalidImageError):
        decode(data, MAX_PIXELS)


def test_a_page_beyond_the_end_is_refused() -> None:
    page = grey(8, 8, 8, 1, longs(8), longs(64))

    with pytest.raises(InvalidImageError, match="a page lies beyond its end"):
        decode(written(*page, following=10**6, tail=bytes(64)), MAX_PIXELS)


def test_pages_in_a_circle_end_where_it_closes() -> None:
    page = grey(8, 8, 8, 1, longs(8), longs(64))

    assert decode(written(*page, following=8, tail=bytes(64)), MAX_PIXELS).shape == (8, 8, 3)


def test_the_size_of_the_only_strip_may_be_too_large_where_nothing_is_packed() -> None:
    page = grey(8, 8, 8, 1, longs(64), longs(10_000))
    assert decode(written(*page, tail=bytes(64)), MAX_PIXELS).shape == (8, 8, 3)

    for packing in (5, 8, 32773):
        packed = grey(8, 8, 8, packing, longs(64), longs(10_000))
        with pytest.raises(InvalidImageError, match="beyond its end"):
            decode(written(*packed, tail=bytes(64)), MAX_PIXELS)


def endless_pages() -> bytes:
    first = written(*grey(8, 8, 8, 1, longs(8), longs(64)), tail=bytes(64))
    at = len(first)
    first = written(*grey(8, 8, 8, 1, longs(8), longs(64)), following=at, tail=bytes(64))
    return first + b"".join(bytes(2) + longs(at + 6 * n) for n in range(1, 100_000))


def pages_of_many_fields() -> bytes:
    first = written(*grey(8, 8, 8, 1, longs(8), longs(64)), tail=bytes(64))
    at = len(first)
    first = written(*grey(8, 8, 8, 1, longs(8), longs(64)), following=at, tail=bytes(64))
    size = 2 + 12 * 1024 + 4
    fields = b"".join(struct.pack("<HHII", tag, 3, 1, 0) for tag in range(1000, 2024))
    return first + b"".join(
        struct.pack("<H", 1024) + fields + longs(at + size * n) for n in range(1, 1000)
    )


def overlapping_jpegs() -> bytes:
    count = 5000
    sizes = longs(*[100_000] * count)
    page = grey(64, count, 1, 7, longs(*range(1000, 1000 + count)), sizes)
    return written(*page, tail=bytes(200_000))


def jpegs_of_many_scans() -> bytes:
    buffer = io.BytesIO()
    Pillow.new("L", (64, 64)).save(buffer, "JPEG", progressive=True)
    jpeg = buffer.getvalue()
    jpeg = jpeg[:-2] + jpeg[jpeg.rindex(b"\xff\xda") : -2] * 80 + b"\xff\xd9"
    data = written(*grey(64, 64, 64, 7, longs(0), longs(len(jpeg))))
    return written(*grey(64, 64, 64, 7, longs(len(data)), longs(len(jpeg))), tail=jpeg)


def very_many_strips() -> bytes:
    count = 200_000
    return written(*grey(1, count, 1, 5, longs(*[8] * count), longs(*[9] * count)))


def a_claim_of_very_many_strips() -> bytes:
    return written(*grey(1, MAX_PIXELS, 1, 5, longs(8), longs(9)))


def many_strips_in_a_small_picture() -> bytes:
    count = 200_000
    return written(*grey(8, 8, 8, 5, longs(*[8] * count), longs(*[9] * count)))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (endless_pages, "more than 4096 pages"),
        (pages_of_many_fields, "too many parts"),
        (overlapping_jpegs, "its parts overlap"),
        (jpegs_of_many_scans, "more than 10 scans"),
        (very_many_strips, "has 200000 strips"),
        (a_claim_of_very_many_strips, "has 50000000 strips"),
        (many_strips_in_a_small_picture, "has 200000 strips"),
    ],
)
def test_a_tiff_that_costs_far_more_than_its_pixels_is_refused_soon(make: Any, reason: str) -> None:
    data = make()
    started_s = time.process_time()

    with pytest.raises(RequestError, match=reason):
        decode(data, MAX_PIXELS)

    assert time.process_time() - started_s < 0.5


def test_a_tile_of_far_more_pixels_than_the_picture_is_refused() -> None:
    page = grey(250_000, 16, 16, 8, longs(8), longs(9))
    tiles = [(322, 4, 1, longs(249_984)), (323, 4, 1, longs(1008))]

    with pytest.raises(UnsupportedImageError, match="without tiles"):
        decode(written(*page, *tiles), MAX_PIXELS)


@several
def test_damaged_pages_give_a_picture_or_a_refusal(data: bytes) -> None:
    rng = np.random.default_rng(5)
    for _ in range(60):
        damaged = bytearray(data)
        for at in rng.integers(4, min(len(data), 600), rng.integers(1, 4)):
            damaged[at] = int(rng.integers(256))
        try:
            decode(bytes(damaged), MAX_PIXELS)
        except RequestError:
            continue
