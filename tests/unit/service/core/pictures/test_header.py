"""What the first bytes say, and that no bytes can upset the reading of them."""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from takt.core.errors import InvalidImageError, RequestError, UnsupportedImageError
from takt.core.pictures.header import read_header

WIDTH, HEIGHT = 80, 64


def a_picture(mode: str = "RGB") -> Pillow.Image:
    rng = np.random.default_rng(7)
    colours = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return Pillow.fromarray(colours).convert(mode)


def saved(picture: Pillow.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def tiff(array: np.ndarray[Any, Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def directory(*entries: tuple[int, int, int, int], order: str = "<") -> bytes:
    """A TIFF of nothing but fields: (tag, type, count, value or offset)."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    fields = b"".join(struct.pack(order + "HHII", *entry) for entry in entries)
    return mark + struct.pack(order + "IH", 8, len(entries)) + fields + bytes(4)


RGB_ARRAY = np.asarray(a_picture())
GREY_ARRAY = np.asarray(a_picture("L"))
SIZE = ((256, 4, 1, WIDTH), (257, 4, 1, HEIGHT))

VALID = {
    "jpeg": ("JPEG", saved(a_picture(), "JPEG")),
    "jpeg grey": ("JPEG", saved(a_picture("L"), "JPEG")),
    "jpeg cmyk": ("JPEG", saved(a_picture("CMYK"), "JPEG")),
    "jpeg progressive": ("JPEG", saved(a_picture(), "JPEG", progressive=True)),
    "png": ("PNG", saved(a_picture(), "PNG")),
    "png palette": ("PNG", saved(a_picture("P"), "PNG")),
    "bmp": ("BMP", saved(a_picture(), "BMP")),
    "bmp one bit": ("BMP", saved(a_picture("1"), "BMP")),
    "webp lossy": ("WebP", saved(a_picture(), "WEBP")),
    "webp lossless": ("WebP", saved(a_picture(), "WEBP", lossless=True)),
    "webp extended": ("WebP", saved(a_picture(), "WEBP", exif=b"Exif\0\0")),
    "webp animated": (
        "WebP",
        saved(a_picture(), "WEBP", save_all=True, append_images=[a_picture().rotate(180)]),
    ),
    "tiff": ("TIFF", tiff(RGB_ARRAY, photometric="rgb")),
    "tiff big-endian": ("TIFF", tiff(RGB_ARRAY, photometric="rgb", byteorder=">")),
    "tiff tiled": ("TIFF", tiff(RGB_ARRAY, photometric="rgb", tile=(32, 32))),
    "tiff 16 bits": ("TIFF", tiff(GREY_ARRAY.astype(np.uint16), photometric="minisblack")),
}

valid = pytest.mark.parametrize(("format", "data"), VALID.values(), ids=VALID.keys())


@valid
def test_format_and_size_are_read(format: str, data: bytes) -> None:
    header = read_header(data)

    assert (header.format, header.width, header.height) == (format, WIDTH, HEIGHT)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
def test_the_first_kilobyte_is_enough(suffix: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (300, 500, 3), dtype=np.uint8)
    data = cv2.imencode(suffix, noise)[1].tobytes()
    assert len(data) > 10_000

    header = read_header(data[:1024])

    assert (header.width, header.height) == (500, 300)


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (16383, 1), (1, 16383), (257, 129)])
def test_webp_sizes_are_read_to_their_limits(size: tuple[int, int], lossless: bool) -> None:
    header = read_header(saved(Pillow.new("RGB", size), "WEBP", lossless=lossless))

    assert (header.width, header.height) == size


def test_a_thumbnail_is_not_taken_for_the_picture() -> None:
    thumbnail = saved(a_picture().resize((16, 12)), "JPEG")
    data = VALID["jpeg"][1]
    segment = b"Exif\0\0" + thumbnail
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(segment)) + segment + data[2:]

    header = read_header(data)

    assert (header.width, header.height) == (WIDTH, HEIGHT)
    assert header.scan_start > data.index(b"\xff\xd9")
    assert data.rindex(b"\xff\xda") < header.scan_start < data.rindex(b"\xff\xd9")


@pytest.mark.parametrize("name", ["jpeg", "jpeg progressive"])
def test_a_jpeg_of_several_scans_is_told_from_baseline(name: str) -> None:
    assert read_header(VALID[name][1]).several_scans is (name == "jpeg progressive")


def test_fill_bytes_before_a_jpeg_marker_are_skipped() -> None:
    data = VALID["jpeg"][1]

    header = read_header(data[:2] + b"\xff\xff\xff" + data[2:])

    assert (header.width, header.height) == (WIDTH, HEIGHT)


def test_a_bmp_from_top_to_bottom_has_a_positive_height() -> None:
    data = bytearray(VALID["bmp"][1])
    data[22:26] = struct.pack("<i", -HEIGHT)

    assert read_header(bytes(data)).height == HEIGHT


def test_a_bmp_with_the_oldest_header_is_read() -> None:
    data = b"BM" + bytes(8) + struct.pack("<IIHHHH", 26, 12, WIDTH, HEIGHT, 1, 24)

    header = read_header(data)

    assert (header.width, header.height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_sizes_may_be_short_or_long(order: str) -> None:
    in_the_upper_half = 16 if order == ">" else 0
    short = (256, 3, 1, 500 << in_the_upper_half)

    header = read_header(directory(short, (257, 4, 1, 300), order=order))

    assert (header.width, header.height) == (500, 300)


def test_of_a_tiff_size_given_twice_the_first_counts_as_in_libtiff() -> None:
    header = read_header(directory((256, 4, 1, 90_000), *SIZE))

    assert header.width == 90_000


@pytest.mark.parametrize(
    ("kind", "found"), [("unassalpha", True), ("assocalpha", False), ("unspecified", False)]
)
def test_straight_alpha_in_a_tiff_is_found(kind: str, found: bool) -> None:
    rgba = np.asarray(a_picture("RGBA"))
    data = tiff(rgba, photometric="rgb", extrasamples=[kind])

    at = read_header(data).straight_alpha_at

    assert (at is not None) is found
    assert at is None or data[at : at + 2] == b"\x02\x00"


def test_an_empty_body_is_refused() -> None:
    with pytest.raises(InvalidImageError, match="empty"):
        read_header(b"")


@pytest.mark.parametrize("data", [b"\xff\xd8\xff", b"BM", b"x"])
def test_a_few_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidImageError, match="too few"):
        read_header(data)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (saved(a_picture("P"), "GIF"), "GIF"),
        (b"\0\0\0\x1cftypavif" + bytes(40), "AVIF"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (b"\0\0\0\x18ftypmif1" + bytes(40), "HEIF"),
        (b"\0\0\0\x18ftypisom" + bytes(40), "video"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), "JPEG 2000"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "JPEG XL"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'{"image": "part.png"}', "JSON"),
        (b"data:image/png;base64,iVBORw0KGgo=", "data URL"),
        (b"iVBORw0KGgoAAAANSUhEUg==", "Base64"),
        (b"/9j/4AAQSkZJRgABAQAAAQABAAD", "Base64"),
        (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0", "no picture"),
        (b"something else entirely", "no picture"),
    ],
)
def test_another_format_is_named_beside_those_served(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedImageError) as refusal:
        read_header(data)

    assert name in str(refusal.value)
    for served in ("JPEG", "PNG", "BMP", "WebP", "TIFF"):
        assert served in str(refusal.value)


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (tiff(RGB_ARRAY, photometric="rgb", bigtiff=True), "classic TIFF"),
        (tiff(GREY_ARRAY.astype(np.float32), photometric="minisblack"), "floating-point"),
        (tiff(GREY_ARRAY.astype(np.float16), photometric="minisblack"), "8 or 16 bits"),
        (tiff(RGB_ARRAY.astype(np.float64), photometric="rgb"), "floating-point"),
        (tiff(GREY_ARRAY.view(np.int8), photometric="minisblack"), "signed"),
        (tiff(GREY_ARRAY.astype(np.int16), photometric="minisblack"), "signed"),
        (tiff(GREY_ARRAY.astype(np.uint32), photometric="minisblack"), "32 bits per channel"),
        (directory(*SIZE, (258, 3, 1, 12)), "12 bits per channel"),
        (directory(*SIZE, (258, 3, 1, 8), (277, 3, 1, 5)), "5 channels"),
        (directory(*SIZE, (258, 3, 1, 8), (262, 3, 1, 32803)), "colour space 32803"),
        (directory((254, 4, 1, 1), *SIZE, (258, 3, 1, 8)), "thumbnail"),
        (directory(*SIZE, (258, 3, 1, 8), (322, 4, 1, 16384)), "without tiles"),
        (directory(*SIZE, (258, 3, 1, 8), (323, 4, 1, 16384)), "without tiles"),
    ],
)
def test_a_tiff_that_is_not_served_is_refused_with_advice(data: bytes, advice: str) -> None:
    with pytest.raises(UnsupportedImageError, match=advice):
        read_header(data)


@pytest.mark.parametrize(("offset", "value"), [(4, 12), (1, 0xC3), (1, 0xC5)])
def test_a_jpeg_that_is_not_baseline_or_progressive_is_refused(offset: int, value: int) -> None:
    data = bytearray(VALID["jpeg"][1])
    data[data.index(b"\xff\xc0") + offset] = value

    with pytest.raises(UnsupportedImageError, match="baseline JPEG"):
        read_header(bytes(data))


@pytest.mark.parametrize(
    ("offset", "packed", "advice"),
    [
        (28, struct.pack("<H", 16), "save it with 24"),
        (30, struct.pack("<I", 4), "without compression"),
        (30, struct.pack("<I", 3), "24 bits per pixel"),
    ],
)
def test_a_bmp_that_is_not_served_is_refused_with_advice(
    offset: int, packed: bytes, advice: str
) -> None:
    data = bytearray(VALID["bmp"][1])
    data[offset : offset + len(packed)] = packed

    with pytest.raises(UnsupportedImageError, match=advice):
        read_header(bytes(data))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("png", struct.pack(">I", WIDTH), bytes(4)),
        ("bmp", struct.pack("<ii", WIDTH, HEIGHT), struct.pack("<ii", -WIDTH, HEIGHT)),
        ("bmp", struct.pack("<ii", WIDTH, HEIGHT), struct.pack("<ii", WIDTH, 0)),
        ("jpeg", struct.pack(">HH", HEIGHT, WIDTH), bytes(4)),
        ("png", b"IHDR", b"IDAT"),
        ("webp lossy", b"VP8 ", b"ICCP"),
        ("webp lossy", b"\x9d\x01\x2a", b"\x9d\x01\x2b"),
        ("tiff", struct.pack("<HH", 256, 4), struct.pack("<HH", 256, 5)),
        ("jpeg", b"\xff\xc0", b"\xff\xd9"),
        ("jpeg", b"\xff\xdb", b"\x00\xdb"),
    ],
)
def test_a_damaged_header_is_refused(name: str, old: bytes, new: bytes) -> None:
    data = VALID[name][1]
    assert old in data

    with pytest.raises(InvalidImageError, match="header is damaged"):
        read_header(data.replace(old, new, 1))


@valid
def test_every_cut_of_a_header_is_read_or_refused(format: str, data: bytes) -> None:
    refused = 0
    for length in range(min(len(data), 700)):
        try:
            header = read_header(data[:length])
        except InvalidImageError:
            refused += 1
        else:
            assert (header.format, header.width, header.height) == (format, WIDTH, HEIGHT)
    assert refused > 0


@valid
def test_hostile_bytes_are_read_or_refused(format: str, data: bytes) -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        mutant = bytearray(data[: rng.integers(12, min(len(data), 2000))])
        for at in rng.integers(0, len(mutant), rng.integers(1, 12)):
            mutant[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF, int(rng.integers(256))])
        try:
            header = read_header(bytes(mutant))
        except RequestError:
            continue
        assert header.width > 0 and header.height > 0


def many_empty_segments() -> bytes:
    return b"\xff\xd8" + b"\xff\xe0\x00\x02" * 2_000_000


def nothing_but_fill_bytes() -> bytes:
    return b"\xff\xd8" + b"\xff" * 8_000_000


def a_directory_of_many_fields() -> bytes:
    return b"II*\0" + struct.pack("<IH", 8, 0xFFFF) + bytes(12 * 0xFFFF)


@pytest.mark.parametrize(
    "make", [many_empty_segments, nothing_but_fill_bytes, a_directory_of_many_fields]
)
def test_a_header_without_end_is_given_up_early(make: Callable[[], bytes]) -> None:
    data = make()
    started_s = time.thread_time()

    with pytest.raises(InvalidImageError):
        read_header(data)

    assert time.thread_time() - started_s < 0.1
