"""JPEGs decoded at a part of their size, and pixels that come as they are."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from takt.core.bundles.manifest import Preprocess
from takt.core.domain import PixelFormat, RawPicture
from takt.core.errors import ImageTooLargeError, InvalidImageError
from takt.core.pictures.decode import Decoded, decode, decode_for_model, divisor_of, from_raw

MAX_PIXELS = 10_000_000


def decode_reduced(data: bytes, max_pixels: int, least: int) -> Decoded:
    spec = Preprocess(width=least, height=least, resize="area", reduced_decode=True)
    return decode_for_model(data, max_pixels, spec)


def smooth(width: int, height: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width]
    levels = [255 * x / width, 255 * y / height, 255 * (x + y) / (width + height)]
    return np.stack(levels, axis=-1).astype(np.uint8)


def jpeg(picture: NDArray[np.uint8], orientation: int = 1, **options: object) -> bytes:
    buffer = io.BytesIO()
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    Pillow.fromarray(picture).save(buffer, "JPEG", quality=95, exif=exif, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("size", "least", "expected"),
    [
        ((640, 480), 480, (640, 480)),
        ((640, 480), 241, (640, 480)),
        ((640, 480), 240, (320, 240)),
        ((640, 480), 121, (320, 240)),
        ((640, 480), 120, (160, 120)),
        ((640, 480), 60, (80, 60)),
        ((640, 480), 1, (80, 60)),
        ((641, 483), 60, (81, 61)),
    ],
)
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_is_reduced_as_far_as_both_sides_allow(
    size: tuple[int, int], least: int, expected: tuple[int, int], progressive: bool
) -> None:
    decoded = decode_reduced(jpeg(smooth(*size), progressive=progressive), MAX_PIXELS, least)
    height, width, channels = decoded.picture.shape
    assert ((width, height), channels) == (expected, 3)
    assert (decoded.width, decoded.height) == size
    assert decoded.picture.flags.c_contiguous


@pytest.mark.parametrize(("least", "divisor"), [(241, 1), (240, 2), (120, 4), (60, 8), (1, 8)])
def test_the_header_tells_how_far_a_jpeg_is_reduced(least: int, divisor: int) -> None:
    assert divisor_of(jpeg(smooth(640, 480)), least) == divisor


@pytest.mark.parametrize("least", [200, 100, 50])
def test_a_reduced_picture_is_the_mean_of_the_whole_one(least: int) -> None:
    data = jpeg(smooth(800, 400))
    decoded = decode_reduced(data, MAX_PIXELS, least)
    height, width, _ = decoded.picture.shape
    mean = cv2.resize(decode(data, MAX_PIXELS), (width, height), interpolation=cv2.INTER_AREA)
    assert np.abs(decoded.picture.astype(int) - mean).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(320, 240), (240, 240)])
def test_a_turned_jpeg_tells_its_upright_size(orientation: int, size: tuple[int, int]) -> None:
    data = jpeg(smooth(*size), orientation)
    whole = decode(data, MAX_PIXELS)
    decoded = decode_reduced(data, MAX_PIXELS, 120)
    assert (decoded.height, decoded.width) == whole.shape[:2]
    assert decoded.picture.shape == (whole.shape[0] // 2, whole.shape[1] // 2, 3)


def test_where_rounding_hides_how_it_is_turned_it_is_reduced_less() -> None:
    # 801 and 808 are 101 eighths each, but 401 and 404 halves.
    decoded = decode_reduced(jpeg(smooth(801, 808), 6), MAX_PIXELS, 100)
    assert (decoded.width, decoded.height) == (808, 801)
    assert decoded.picture.shape == (201, 202, 3)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp", ".tiff"])
def test_other_formats_are_decoded_whole(suffix: str) -> None:
    data = cv2.imencode(suffix, smooth(640, 480))[1].tobytes()
    decoded = decode_reduced(data, MAX_PIXELS, 60)
    assert decoded.picture.shape == (480, 640, 3)
    assert np.array_equal(decoded.picture, decode(data, MAX_PIXELS))
    assert divisor_of(data, 60) == 1


def test_the_bound_is_on_the_whole_picture() -> None:
    with pytest.raises(ImageTooLargeError):
        decode_reduced(jpeg(smooth(640, 480)), 640 * 480 - 1, 60)


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("least", [240, 120, 60])
def test_a_jpeg_that_lost_its_end_is_refused_reduced_too(share: float, least: int) -> None:
    rng = np.random.default_rng(0)
    data = jpeg(rng.integers(0, 256, (480, 640, 3), dtype=np.uint8))
    cut = data[: int(share * len(data))]
    with pytest.raises(InvalidImageError):
        decode_reduced(cut, MAX_PIXELS, least)
    with pytest.raises(InvalidImageError, match="lost a part"):
        decode_reduced(cut + b"\xff\xd9", MAX_PIXELS, least)


def test_a_whole_grey_jpeg_is_taken_reduced_too() -> None:
    data = jpeg(np.full((480, 640, 3), 128, np.uint8))
    assert decode_reduced(data, MAX_PIXELS, 60).picture.shape == (60, 80, 3)


@pytest.mark.parametrize("format", ["rgb8", "bgr8", "mono8"])
def test_raw_pixels_become_rgb(format: PixelFormat) -> None:
    picture = smooth(7, 5)
    stored = {"rgb8": picture, "bgr8": picture[..., ::-1], "mono8": picture[..., 0]}[format]
    found = from_raw(RawPicture(stored.tobytes(), 7, 5, format), MAX_PIXELS)
    expected = np.repeat(picture[..., :1], 3, axis=-1) if format == "mono8" else picture
    assert np.array_equal(found, expected)
    assert found.flags.c_contiguous


@pytest.mark.parametrize(
    ("count", "size"), [(104, (7, 5)), (106, (7, 5)), (0, (0, 5)), (0, (7, 0))]
)
def test_raw_pixels_that_are_not_as_many_as_their_size_says_are_refused(
    count: int, size: tuple[int, int]
) -> None:
    with pytest.raises(InvalidImageError, match=f"{count} came"):
        from_raw(RawPicture(bytes(count), *size, "rgb8"), MAX_PIXELS)


def test_raw_pixels_are_bounded_before_they_are_looked_at() -> None:
    with pytest.raises(ImageTooLargeError):
        from_raw(RawPicture(b"", 4000, 3000, "rgb8"), MAX_PIXELS)
