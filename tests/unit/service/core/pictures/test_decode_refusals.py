"""What is no whole picture is refused."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

import takt.core.pictures.decode
from takt.core.errors import (
    ImageTooLargeError,
    InvalidImageError,
    RequestError,
    UnsupportedImageError,
)
from takt.core.pictures.decode import decode
from takt.core.pictures.formats.image_header import ImageHeader
from takt.core.pictures.header import read_header
from tests.unit.service.core.pictures.encoded import (
    HEIGHT,
    MAX_PIXELS,
    WHOLE,
    WIDTH,
    a_picture,
    colours,
    difference,
    saved,
    smooth,
    tiff,
    whole,
    with_pillow,
)


def test_an_unsupported_picture_is_refused() -> None:
    with pytest.raises(UnsupportedImageError, match="scale it to unsigned 8 or 16 bits"):
        decode(tiff(colours(1).astype(np.float32)[..., 0]), MAX_PIXELS)


def test_an_empty_body_is_refused() -> None:
    with pytest.raises(InvalidImageError, match="empty"):
        decode(b"", MAX_PIXELS)


@whole
def test_as_many_pixels_as_allowed_are_taken_and_one_more_is_not(data: bytes) -> None:
    pixels = WIDTH * HEIGHT

    decode(data, pixels)
    with pytest.raises(ImageTooLargeError) as refusal:
        decode(data, pixels - 1)

    assert f"{pixels} pixels" in str(refusal.value)
    assert f"{pixels - 1} of the setting max_image_pixels" in str(refusal.value)


def test_too_many_pixels_are_refused_before_anything_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def imdecode(*_: object) -> None:
        pytest.fail("decoded")

    monkeypatch.setattr(cv2, "imdecode", imdecode)
    huge = bytearray(WHOLE["png"])
    huge[16:24] = struct.pack(">II", 100_000, 100_000)

    with pytest.raises(ImageTooLargeError, match="10000000000 pixels"):
        decode(bytes(huge), MAX_PIXELS)


@whole
def test_a_truncated_picture_is_refused(data: bytes) -> None:
    lengths = {*range(1, len(data), len(data) // 40), *(len(data) - n for n in range(1, 5))}
    for length in sorted(lengths):
        with pytest.raises(InvalidImageError):
            decode(data[:length], MAX_PIXELS)


def received_bytes(jpeg: bytes, share: float) -> int:
    """The header and a share of what follows."""
    start = read_header(jpeg).scan_start
    return start + int((len(jpeg) - start) * share)


@pytest.mark.parametrize("data", [WHOLE["jpeg"], WHOLE["jpeg grey"], WHOLE["jpeg progressive"]])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_jpeg_that_was_received_in_part_is_refused(data: bytes, share: float) -> None:
    received = received_bytes(data, share)

    with pytest.raises(InvalidImageError, match="cut short"):
        decode(data[:received] + bytes(len(data) - received), MAX_PIXELS)


@pytest.mark.parametrize("data", [WHOLE["jpeg"], WHOLE["jpeg grey"]])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_jpeg_that_ends_too_early_is_refused(data: bytes, share: float) -> None:
    with pytest.raises(InvalidImageError, match="lost a part"):
        decode(data[: received_bytes(data, share)] + b"\xff\xd9", MAX_PIXELS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_that_ends_too_early_is_refused(orientation: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    data = saved(Pillow.fromarray(smooth()), "JPEG", exif=exif)

    with pytest.raises(InvalidImageError, match="lost a part"):
        decode(data[: received_bytes(data, 0.6)] + b"\xff\xd9", MAX_PIXELS)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("side", [37, 64, 200])
def test_a_whole_jpeg_that_is_mid_grey_is_taken(side: int, progressive: bool) -> None:
    grey = np.full((side, side, 3), 128, np.uint8)
    grey[: side // 2, : side // 2] = (200, 30, 60)
    data = saved(Pillow.fromarray(grey), "JPEG", progressive=progressive)

    picture = decode(data, MAX_PIXELS)

    assert picture[-1, -1].tolist() == [128, 128, 128]
    assert difference(picture, with_pillow(data)) <= 2


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_picture() -> None:
    thumbnail = saved(a_picture().resize((16, 12)), "JPEG")
    segment = b"Exif\0\0" + thumbnail
    data = WHOLE["jpeg"]
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(segment)) + segment + data[2:]
    decode(data, MAX_PIXELS)

    with pytest.raises(InvalidImageError, match="cut short"):
        decode(data[:-20] + bytes(20), MAX_PIXELS)


@pytest.mark.parametrize("name", ["jpeg", "png", "bmp", "webp", "tiff"])
def test_bytes_after_the_picture_are_ignored(name: str) -> None:
    picture = decode(WHOLE[name] + bytes(1000), MAX_PIXELS)

    np.testing.assert_array_equal(picture, decode(WHOLE[name], MAX_PIXELS))


def test_every_flipped_bit_of_a_png_is_found() -> None:
    data = WHOLE["png"]
    rng = np.random.default_rng(9)
    for at in rng.integers(8, len(data), 60):
        damaged = bytearray(data)
        damaged[at] ^= 1 << int(rng.integers(8))
        with pytest.raises(RequestError):
            decode(bytes(damaged), 2**40)


def test_a_png_with_pixels_missing_inside_is_refused() -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 0)
    half = zlib.compress(bytes((WIDTH + 1) * HEIGHT // 2))
    data = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", half) + chunk(b"IEND", b"")
    )

    with pytest.raises(InvalidImageError, match="cannot be decoded"):
        decode(data, MAX_PIXELS)


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    data = WHOLE["jpeg progressive"]
    last_scan = data[data.rindex(b"\xff\xda") : -2]

    with pytest.raises(InvalidImageError, match="scans"):
        decode(data[:-2] + last_scan * 300 + b"\xff\xd9", MAX_PIXELS)


def test_a_picture_that_is_not_as_its_header_says_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        takt.core.pictures.decode, "read_header", lambda _: ImageHeader("PNG", WIDTH, 65)
    )

    with pytest.raises(InvalidImageError, match="80 × 65 pixels, its data 80 × 64"):
        decode(WHOLE["png"], MAX_PIXELS)


def test_what_opencv_throws_becomes_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def imdecode(*_: object) -> None:
        raise cv2.error("assertion")

    monkeypatch.setattr(cv2, "imdecode", imdecode)

    with pytest.raises(InvalidImageError, match="cannot be decoded"):
        decode(WHOLE["png"], MAX_PIXELS)


@whole
def test_damaged_bytes_give_a_picture_or_a_refusal(data: bytes) -> None:
    rng = np.random.default_rng(4)
    for _ in range(25):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 6)):
            damaged[at] = int(rng.integers(256))
        try:
            picture = decode(bytes(damaged), MAX_PIXELS)
        except RequestError:
            continue
        assert picture.dtype == np.uint8
        assert picture.ndim == 3 and picture.shape[2] == 3
