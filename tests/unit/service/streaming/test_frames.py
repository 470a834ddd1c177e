import struct

import pytest

from service.domain import RawPicture
from service.errors import InvalidImageError, InvalidParameterError, RequestError
from service.streaming.frames import HEADER_BYTES, Frame, pack, picture_after, unpack, unpack_header


def header(
    magic: bytes = b"TK",
    version: int = 1,
    code: int = 0,
    reserved: int = 0,
    size: tuple[int, int] = (0, 0),
) -> bytes:
    return struct.pack("<2sBBIQQII", magic, version, code, reserved, 7, 1_700, *size)


def test_an_encoded_picture_comes_back_as_it_was_packed() -> None:
    data = pack(Frame(2**64 - 1, 1_700_000_000_000_000, b"a jpeg"))
    assert len(data) == HEADER_BYTES + 6
    frame = unpack(data)
    assert frame.sequence == 2**64 - 1
    assert frame.captured_us == 1_700_000_000_000_000
    assert frame.picture == b"a jpeg"


@pytest.mark.parametrize(("pixels", "channels"), [("rgb8", 3), ("bgr8", 3), ("mono8", 1)])
def test_raw_pixels_keep_their_size_and_format(pixels, channels: int) -> None:
    raw = RawPicture(bytes(range(6)) * channels, 3, 2, pixels)
    frame = unpack(pack(Frame(0, 0, raw)))
    assert frame.picture == raw


def test_the_picture_is_a_view_and_no_copy() -> None:
    data = bytearray(pack(Frame(0, 0, b"abc")))
    picture = unpack(memoryview(data)).picture
    data[HEADER_BYTES] = ord("x")
    assert bytes(picture) == b"xbc"


def test_the_layout_is_the_one_that_is_documented() -> None:
    raw = RawPicture(b"\1\2", 2, 1, "mono8")
    assert pack(Frame(7, 1_700, raw)) == header(code=3, size=(2, 1)) + b"\1\2"


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
    with pytest.raises(InvalidImageError, match="bytes of pixels"):
        pack(Frame(0, 0, RawPicture(pixels, *size, "rgb8")))


@pytest.mark.parametrize("frame", [Frame(-1, 0, b""), Frame(2**64, 0, b""), Frame(0, -1, b"")])
def test_a_number_that_the_header_has_no_room_for_is_refused(frame: Frame) -> None:
    with pytest.raises(InvalidParameterError, match="has no place in a header"):
        pack(frame)
