from pathlib import Path

import numpy as np
import pytest

from takt_client.errors import InvalidImageError, InvalidParameterError
from takt_client.pictures import RawPicture, encoded, for_frame, pack_frame


def test_an_array_that_is_a_view_is_sent_as_it_looks(rgb) -> None:
    mirrored = rgb[:, ::-1]
    assert encoded(mirrored) == encoded(np.ascontiguousarray(mirrored))
    frame = for_frame(mirrored)
    assert isinstance(frame, RawPicture)
    assert frame.pixels == np.ascontiguousarray(mirrored).tobytes()


def test_a_path_is_read_and_bytes_go_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "part.jpg"
    path.write_bytes(b"jpeg")
    assert encoded(path) == for_frame(path) == encoded(b"jpeg") == for_frame(b"jpeg") == b"jpeg"


def test_an_array_becomes_a_frame_of_raw_pixels(rgb) -> None:
    assert for_frame(rgb) == RawPicture(rgb.tobytes(), 5, 3, "rgb8")


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
@pytest.mark.parametrize("make", [encoded, for_frame])
def test_an_array_that_is_no_rgb_picture_is_refused_before_it_is_sent(make, array) -> None:
    with pytest.raises(InvalidImageError, match="red, green, blue"):
        make(array)


def test_a_frame_is_a_header_and_its_picture(wire) -> None:
    frame = wire.unpack(pack_frame(2**64 - 1, 1_700_000_000_000_000, b"a jpeg"))
    assert (frame.sequence, frame.captured_us) == (2**64 - 1, 1_700_000_000_000_000)
    assert (frame.code, frame.width, frame.height, frame.picture) == (0, 0, 0, b"a jpeg")


def test_raw_pixels_of_another_size_than_they_claim_are_refused() -> None:
    for pixels, width, height in ((b"", 0, 0), (b"12", 1, 1), (b"1234", 1, 1)):
        with pytest.raises(InvalidImageError, match="bytes of pixels"):
            pack_frame(0, 0, RawPicture(pixels, width, height, "rgb8"))


@pytest.mark.parametrize("numbers", [(-1, 0), (2**64, 0), (0, -1)])
def test_a_number_that_the_header_has_no_room_for_is_refused(numbers) -> None:
    with pytest.raises(InvalidParameterError, match="no place in a header"):
        pack_frame(*numbers, b"")
