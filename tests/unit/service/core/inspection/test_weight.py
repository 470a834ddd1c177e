from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from takt.core.domain import RawPicture
from takt.core.errors import RequestError
from takt.core.inspection.weight import weigh

PIXELS = 32 * 16


def saved(format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (32, 16)).save(stream, format, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("file", "each"),
    [
        (saved("PNG"), 6),
        (saved("BMP"), 6),
        (saved("JPEG"), 6),
        (saved("JPEG", progressive=True), 9),
        (saved("WEBP"), 6),
        (saved("WEBP", lossless=True), 8),
        (saved("TIFF"), 12),
    ],
)
def test_a_picture_weighs_by_its_pixels_and_by_how_its_format_is_decoded(
    file: bytes, each: int
) -> None:
    weight = weigh(file, max_pixels=PIXELS)
    assert (weight.pixels, weight.decoding_bytes) == (PIXELS, each * PIXELS)
    assert weight.kept_bytes == 3 * PIXELS


def test_a_picture_that_will_be_refused_weighs_nothing() -> None:
    assert weigh(saved("PNG"), max_pixels=PIXELS - 1).decoding_bytes == 0
    with pytest.raises(RequestError):
        weigh(b"no picture at all", max_pixels=PIXELS)


def test_pixels_that_came_as_pixels_weigh_only_what_is_made_of_them() -> None:
    rgb = weigh(RawPicture(bytes(3 * PIXELS), 32, 16, "rgb8"), PIXELS)
    grey = weigh(RawPicture(bytes(PIXELS), 32, 16, "mono8"), PIXELS)
    assert (rgb.decoding_bytes, rgb.kept_bytes) == (0, 0)
    assert (grey.decoding_bytes, grey.kept_bytes) == (3 * PIXELS, 3 * PIXELS)


def test_a_heatmap_weighs_more_where_the_picture_is_decoded_again() -> None:
    weight = weigh(cv2.imencode(".png", np.zeros((16, 32, 3), np.uint8))[1].tobytes(), PIXELS)
    assert weight.drawing_bytes("none", kept=False) == 0
    assert weight.drawing_bytes("raw", kept=False) == 0
    assert weight.drawing_bytes("map", kept=False) == 10 * PIXELS
    assert weight.drawing_bytes("overlay", kept=True) == 10 * PIXELS
    assert weight.drawing_bytes("overlay", kept=False) == 13 * PIXELS
