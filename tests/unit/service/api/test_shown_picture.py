from __future__ import annotations

import cv2
import numpy as np
import pytest

from takt.api.stream.shown_picture import LONGEST_SIDE, encoded, media_type_of
from takt.core.domain import RawPicture


def decoded(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


@pytest.mark.parametrize(
    ("suffix", "media_type"),
    [(".jpg", "image/jpeg"), (".png", "image/png"), (".webp", "image/webp"), (".bmp", "image/bmp")],
)
def test_what_browsers_show_is_told_by_its_first_bytes(suffix, media_type) -> None:
    _, data = cv2.imencode(suffix, np.zeros((8, 8, 3), np.uint8))
    assert media_type_of(memoryview(data.tobytes())) == media_type


def test_a_tiff_is_nothing_that_browsers_show() -> None:
    _, data = cv2.imencode(".tiff", np.zeros((8, 8, 3), np.uint8))
    assert media_type_of(data.tobytes()) is None


@pytest.mark.parametrize(("order", "pixel"), [("rgb8", (200, 90, 20)), ("bgr8", (20, 90, 200))])
def test_colours_are_those_of_the_pixels(order, pixel) -> None:
    pixels = np.full((16, 24, 3), pixel, np.uint8)
    shown = decoded(encoded(RawPicture(pixels.tobytes(), 24, 16, order)))
    assert np.abs(shown[8, 12].astype(int) - (20, 90, 200)).max() < 8


def test_a_grey_picture_stays_grey() -> None:
    shown = decoded(encoded(RawPicture(bytes([77]) * 48, 8, 6, "mono8")))
    assert (shown == 77).all()


def test_a_large_picture_is_shown_smaller() -> None:
    picture = RawPicture(memoryview(bytes(4000 * 10)), 4000, 10, "mono8")
    assert decoded(encoded(picture)).shape[:2] == (3, LONGEST_SIDE)
