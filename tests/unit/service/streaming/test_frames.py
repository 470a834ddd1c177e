import struct

import pytest

from takt.core.domain import RawPicture
from takt.core.errors import InvalidImageError, RequestError
from takt.streaming.frames import HEADER_BYTES, picture_after, unpack, unpack_header


def header(
    magic: bytes = b"TK",
    version: int = 1,
    code: int = 0,
    reserved: int = 0,
    size: tuple[int, int] = (0, 0),
) -> bytes:
    return struct.pack("<2sBBIQQII", magic, version, code, reserved, 7, 1_700, *size)


@pytest.mark.parametrize(("format", "code"), [("rgb8", 1), ("bgr8", 2), ("mono8", 3)])
def test_raw_pixels_have_their_size_and_format(format, code: int) -> None:
    pixels = bytes(6 if format == "mono8" else 18)
    frame = unpack(header(code=code, size=(3, 2)) + pixels)
    assert (frame.sequence, frame.captured_us) == (7, 1_700)
    assert frame.picture == RawPicture(pixels, 3, 2, format)


def test_the_picture_is_a_view_and_no_copy() -> None:
    data = bytearray(header() + b"abc")
    picture = unpack(memoryview(data)).picture
    data[HEADER_BYTES] = ord("x")
    assert bytes(picture) == b"xbc"


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "a frame of 0 bytes"),
        (header()[:-1], "a frame of 31 bytes"),
        (header(magic=b"\xff\xd8"), "put a header, TK"),
        (header(version=2), "version 2; send version 1"),
        (header(code=4), "kind 4; send 0 to 3"),
        (header(reserved=1), "must be 0"),
        (header(size=(1, 0)), "must be 0"),
    ],
)
def test_a_header_that_is_none_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(RequestError, match=complaint):
        unpack(data)


@pytest.mark.parametrize(
    ("size", "pixels"), [((2, 2), b"\0" * 11), ((2, 2), b"\0" * 13), ((0, 2), b"")]
)
def test_pixels_of_another_size_are_a_bad_picture_of_a_known_number(
    size: tuple[int, int], pixels: bytes
) -> None:
    data = header(code=1, size=size) + pixels
    found = unpack_header(data)
    assert found.sequence == 7
    with pytest.raises(InvalidImageError, match="bytes of pixels"):
        picture_after(found, data)
