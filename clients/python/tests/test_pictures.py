from pathlib import Path

import numpy as np
import pytest

from takt_client.errors import InvalidImageError, InvalidParameterError
from takt_client.pictures import RawPicture, encoded, for_frame, pack_frame


def test_an_array_that_is_a_view_is_sent_as_it_looks(rgb) -> None:
    mirrored = rgb[:, ::-1]
    assert encoded(mirrored, "rgb") == encoded(np.ascontiguousarray(mirrored), "rgb")
    frame = for_frame(mirrored, "rgb")
    assert isinstance(frame, RawPicture)
    assert frame.pixels == np.ascontiguousarray(mirrored).tobytes()


def test_a_path_is_read_and_bytes_go_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "part.jpg"
    path.write_bytes(b"jpeg")
    for picture in (path, str(path), b"jpeg"):
        assert encoded(picture) == for_frame(picture) == b"jpeg"


def test_an_array_becomes_a_frame_of_raw_pixels(rgb) -> None:
    assert for_frame(rgb, "rgb") == RawPicture(rgb.tobytes(), 5, 3, "rgb8")
    assert for_frame(rgb, "bgr") == RawPicture(rgb.tobytes(), 5, 3, "bgr8")


def test_an_array_of_two_axes_is_gray_whether_that_is_said_or_not(rgb) -> None:
    gray = np.ascontiguousarray(rgb[:, :, 0])
    assert for_frame(gray) == for_frame(gray, "gray") == RawPicture(gray.tobytes(), 5, 3, "mono8")


def test_an_order_of_channels_makes_no_other_picture(rgb) -> None:
    assert encoded(rgb, "rgb") == encoded(rgb[:, :, ::-1], "bgr")


def test_bytes_of_other_types_go_as_they_are() -> None:
    for data in (bytearray(b"jpeg"), memoryview(b"jpeg")):
        assert encoded(data) == for_frame(data) == b"jpeg"


def test_a_view_of_pixels_is_not_taken_for_a_file(rgb) -> None:
    for view in (memoryview(rgb), memoryview(np.zeros(4, np.uint16))):
        with pytest.raises(InvalidImageError, match="the array itself"):
            encoded(view)


def test_pixels_of_a_format_that_is_none_are_refused() -> None:
    for make in (encoded, lambda picture: pack_frame(0, 0, picture)):
        with pytest.raises(InvalidParameterError, match="rgb8, bgr8, mono8"):
            make(RawPicture(b"123", 1, 1, "RGB8"))  # type: ignore[arg-type]


def test_a_frame_is_a_header_and_its_picture(wire) -> None:
    frame = wire.unpack(pack_frame(2**64 - 1, 1_700_000_000_000_000, b"a jpeg"))
    assert (frame.sequence, frame.captured_us) == (2**64 - 1, 1_700_000_000_000_000)
    assert (frame.code, frame.width, frame.height, frame.picture) == (0, 0, 0, b"a jpeg")


def test_raw_pixels_of_another_size_than_they_claim_are_refused() -> None:
    for pixels, width, height in ((b"", 0, 0), (b"12", 1, 1), (b"1234", 1, 1)):
        for make in (encoded, lambda picture: pack_frame(0, 0, picture)):
            with pytest.raises(InvalidImageError, match="bytes of pixels"):
                make(RawPicture(pixels, width, height, "rgb8"))


@pytest.mark.parametrize("numbers", [(-1, 0), (2**64, 0), (0, -1)])
def test_a_number_that_the_header_has_no_room_for_is_refused(numbers) -> None:
    with pytest.raises(InvalidParameterError, match="no place in a header"):
        pack_frame(*numbers, b"")
