"""Resizing and cropping, and the way back to the picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from service.bundle import Crop, Preprocess
from service.domain import Box, Image
from service.preprocess import inspected_box, preprocess


def a_picture(width: int, height: int) -> Image:
    rng = np.random.default_rng(11)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def to(width: int, height: int, crop: Crop | None = None) -> Preprocess:
    return Preprocess(width=width, height=height, resize="area", crop=crop)


def test_a_picture_that_fits_is_not_copied() -> None:
    picture = a_picture(40, 30)

    assert preprocess(picture, to(40, 30)) is picture


@pytest.mark.parametrize(
    "spec",
    [
        to(40, 30),
        to(20, 15),
        to(100, 90),
        to(20, 90),
        to(100, 15),
        to(40, 90),
        to(20, 30),
        to(40, 30, Crop(x=3, y=5, width=20, height=10)),
        to(64, 64, Crop(x=4, y=4, width=56, height=56)),
    ],
)
def test_the_result_has_the_size_and_layout_that_a_model_takes(spec: Preprocess) -> None:
    model_input = preprocess(a_picture(40, 30), spec)

    assert model_input.shape == (*spec.input_size, 3)
    assert model_input.dtype == np.uint8
    assert model_input.flags.c_contiguous


def test_shrinking_averages_areas() -> None:
    picture = a_picture(40, 30)
    means = picture.reshape(10, 3, 10, 4, 3).mean(axis=(1, 3))

    shrunk = preprocess(picture, to(10, 10))

    assert np.abs(shrunk - means).max() <= 0.5 + 1e-6


def test_shrinking_by_a_fraction_is_what_opencv_calls_area() -> None:
    picture = a_picture(41, 33)

    expected = cv2.resize(picture, (17, 19), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(preprocess(picture, to(17, 19)), expected)


def test_enlarging_is_bilinear() -> None:
    picture = a_picture(20, 15)

    expected = cv2.resize(picture, (50, 45), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(preprocess(picture, to(50, 45)), expected)


def test_when_one_axis_grows_the_other_is_still_averaged() -> None:
    stripes = np.zeros((10, 64, 3), np.uint8)
    stripes[:, ::2] = 255

    wide = preprocess(stripes, to(16, 40))
    tall = preprocess(np.ascontiguousarray(stripes.transpose(1, 0, 2)), to(40, 16))

    assert set(np.unique(wide)) <= {127, 128}
    assert set(np.unique(tall)) <= {127, 128}


def test_when_one_axis_shrinks_the_other_is_still_bilinear() -> None:
    picture = a_picture(64, 10)
    shrunk = cv2.resize(picture, (16, 10), interpolation=cv2.INTER_AREA)

    expected = cv2.resize(shrunk, (16, 40), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(preprocess(picture, to(16, 40)), expected)


def test_the_crop_is_cut_from_the_resized_picture() -> None:
    picture = a_picture(80, 60)
    whole = preprocess(picture, to(40, 30))

    cropped = preprocess(picture, to(40, 30, Crop(x=7, y=2, width=21, height=25)))

    np.testing.assert_array_equal(cropped, whole[2:27, 7:28])


def test_the_picture_is_left_as_it_was() -> None:
    picture = a_picture(40, 30)
    before = picture.copy()

    preprocess(picture, to(20, 90, Crop(x=1, y=1, width=8, height=8)))

    np.testing.assert_array_equal(picture, before)


CENTRE = Crop(x=32, y=32, width=448, height=448)


@pytest.mark.parametrize(
    ("spec", "size", "expected"),
    [
        (to(256, 256), (1280, 960), Box(0, 0, 1280, 960)),
        (to(512, 512, CENTRE), (512, 512), Box(32, 32, 448, 448)),
        (to(512, 512, CENTRE), (1024, 256), Box(64, 16, 896, 224)),
        (to(100, 100, Crop(x=0, y=0, width=100, height=100)), (333, 77), Box(0, 0, 333, 77)),
        (to(4, 4, Crop(x=1, y=1, width=2, height=2)), (6, 6), Box(2, 2, 3, 3)),
        (to(3, 3, Crop(x=1, y=1, width=1, height=1)), (10, 100), Box(3, 33, 4, 34)),
        (to(100, 100, Crop(x=60, y=60, width=30, height=30)), (1, 1), Box(0, 0, 1, 1)),
        (to(100, 100, Crop(x=0, y=0, width=10, height=10)), (2, 2), Box(0, 0, 1, 1)),
    ],
)
def test_the_inspected_box_is_the_crop_on_the_picture(
    spec: Preprocess, size: tuple[int, int], expected: Box
) -> None:
    assert inspected_box(spec, *size) == expected


@pytest.mark.parametrize("size", [(640, 480), (321, 777), (50, 60), (1, 1), (7, 2000)])
def test_the_inspected_box_lies_within_the_picture(size: tuple[int, int]) -> None:
    width, height = size
    rng = np.random.default_rng(5)
    for _ in range(200):
        x, y = (int(v) for v in rng.integers(0, 255, 2))
        crop = Crop(
            x=x,
            y=y,
            width=int(rng.integers(1, 257 - x)),
            height=int(rng.integers(1, 257 - y)),
        )
        box = inspected_box(to(256, 256, crop), width, height)

        assert box.width > 0 and box.height > 0
        assert box.x >= 0 and box.x + box.width <= width
        assert box.y >= 0 and box.y + box.height <= height


@pytest.mark.parametrize("size", [(640, 512), (1000, 300), (100, 900), (90, 70)])
def test_the_model_sees_the_inspected_box_and_nothing_else(size: tuple[int, int]) -> None:
    width, height = size
    spec = to(128, 128, Crop(x=16, y=24, width=64, height=80))
    box = inspected_box(spec, width, height)
    picture = np.zeros((height, width, 3), np.uint8)
    picture[box.y : box.y + box.height, box.x : box.x + box.width] = 255

    seen = preprocess(picture, spec)
    unseen = preprocess(255 - picture, spec)

    assert (seen[2:-2, 2:-2] == 255).all()
    assert (unseen[2:-2, 2:-2] == 0).all()
    beyond = preprocess(picture, to(128, 128))
    assert beyond[:14].max() < 255 and beyond[:, 90:].max() < 255
