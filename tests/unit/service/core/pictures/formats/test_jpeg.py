"""A JPEG's scans are bounded by what they cost, which is a pass over all pixels each."""

from __future__ import annotations

import io
import struct
import time
from typing import Any

import pytest
from PIL import Image as Pillow

from takt.core.errors import InvalidImageError
from takt.core.pictures.decode import decode
from takt.core.pictures.formats.jpeg import checked_jpeg, is_quick, read_jpeg

END = b"\xff\xd9"
SCAN = b"\xff\xda"


def jpeg(size: int, mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Pillow.new(mode, (size, size)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def claiming(data: bytes, width: int, height: int) -> bytes:
    """The same file with another size in its header."""
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def with_scans(data: bytes, count: int) -> bytes:
    """The file with its last scan repeated."""
    last = data[data.rindex(SCAN) : -2]
    return data[:-2] + last * count + END


def one_by_one(scans: int) -> bytes:
    """A baseline JPEG whose components come in scans of their own."""
    data = jpeg(16, subsampling=0)
    start = data.index(SCAN)
    scan = b"".join(
        SCAN + struct.pack(">HBBBBBB", 8, 1, number, table, 0, 63, 0) + b"\x28"
        for number, table in ((1, 0), (2, 0x11), (3, 0x11))
    )
    return data[:start] + scan * scans + END


def check(data: bytes) -> None:
    checked_jpeg(data, read_jpeg(data))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_usual_progressive_jpeg_of_50_megapixels_is_taken(mode: str) -> None:
    data = claiming(jpeg(64, mode, progressive=True), 8000, 6250)

    check(data)

    assert read_jpeg(data).several_scans


def test_a_usual_progressive_jpeg_is_decoded() -> None:
    data = jpeg(1000, progressive=True, subsampling=0)

    assert decode(data, 1_000_000).shape == (1000, 1000, 3)


@pytest.mark.parametrize("size", [(7000, 7000), (4000, 3000)])
def test_scans_that_pass_too_often_over_many_pixels_are_refused(size: tuple[int, int]) -> None:
    data = claiming(with_scans(jpeg(64, progressive=True), 185), *size)
    started_s = time.process_time()

    with pytest.raises(InvalidImageError, match=r"pass \d+ times over .* baseline JPEG"):
        decode(data, 50_000_000)

    assert time.process_time() - started_s < 0.1


def test_a_small_jpeg_may_have_many_scans() -> None:
    data = with_scans(jpeg(400, progressive=True), 150)

    assert decode(data, 1_000_000).shape == (400, 400, 3)


def test_a_baseline_jpeg_of_several_scans_is_bounded_too() -> None:
    check(one_by_one(1))
    assert read_jpeg(one_by_one(1)).several_scans
    assert not read_jpeg(jpeg(16)).several_scans

    with pytest.raises(InvalidImageError, match=r"pass \d+ times"):
        check(claiming(one_by_one(20), 7000, 7000))


def test_scans_behind_the_end_do_not_count() -> None:
    data = claiming(jpeg(64, progressive=True), 7000, 7000)

    check(data + SCAN * 500)
    check(data + data * 10)


def test_an_end_within_a_comment_does_not_hide_scans() -> None:
    comment = b"\xff\xfe" + struct.pack(">H", 4) + END
    data = jpeg(64, progressive=True)
    data = claiming(with_scans(data[:-2] + comment + END, 1), 7000, 7000)
    last = data[data.rindex(SCAN) : -2]
    data = data[:-2] + comment + last * 100 + END

    with pytest.raises(InvalidImageError, match="pass "):
        check(data)


def test_endless_segments_between_scans_are_given_up_early() -> None:
    data = claiming(with_scans(jpeg(64, progressive=True), 30), 7000, 7000)
    data = data[:-2] + b"\xff\xfe\x00\x02" * 1_000_000 + END
    started_s = time.process_time()

    with pytest.raises(InvalidImageError, match="4096 segments"):
        check(data)

    assert time.process_time() - started_s < 0.2


def test_a_jpeg_that_is_slow_already_is_not_decoded_twice() -> None:
    usual = claiming(jpeg(64, progressive=True), 4000, 3000)
    slow = claiming(with_scans(jpeg(64, progressive=True), 15), 4000, 3000)

    assert is_quick(usual, read_jpeg(usual))
    assert not is_quick(slow, read_jpeg(slow))
    assert is_quick(jpeg(64), read_jpeg(jpeg(64)))
