from pathlib import Path

import numpy as np
import pytest

from service.client.pictures import encoded, for_frame
from service.domain import RawPicture
from service.errors import InvalidImageError
from service.pictures.decode import decode


def test_an_array_reaches_the_server_pixel_for_pixel(rgb) -> None:
    np.testing.assert_array_equal(decode(encoded(rgb), 1000), rgb)


def test_an_array_that_is_a_view_is_sent_as_it_looks(rgb) -> None:
    mirrored = rgb[:, ::-1]
    np.testing.assert_array_equal(decode(encoded(mirrored), 1000), mirrored)
    frame = for_frame(mirrored)
    assert isinstance(frame, RawPicture)
    assert bytes(frame.pixels) == np.ascontiguousarray(mirrored).tobytes()


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
