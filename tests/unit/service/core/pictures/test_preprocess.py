"""Resizing and cropping."""

from __future__ import annotations

from typing import get_args

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from takt.core.bundles.manifest import Crop, Filter, Preprocess
from takt.core.domain import Image
from takt.core.pictures.antialiased import tensor_bicubic, tensor_bilinear
from takt.core.pictures.preprocess import preprocess

FILTERS = get_args(Filter)


def a_picture(width: int, height: int) -> Image:
    rng = np.random.default_rng(11)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def to(width: int, height: int, crop: Crop | None = None, resize: Filter = "area") -> Preprocess:
    return Preprocess(width=width, height=height, resize=resize, crop=crop)


@pytest.mark.parametrize("resize", FILTERS)
def test_a_picture_that_fits_is_not_copied(resize: Filter) -> None:
    picture = a_picture(40, 30)

    assert preprocess(picture, to(40, 30, resize=resize)) is picture


@pytest.mark.parametrize("resize", FILTERS)
def test_a_picture_that_fits_is_still_cropped(resize: Filter) -> None:
    picture = a_picture(40, 30)

    cropped = preprocess(picture, to(40, 30, Crop(x=3, y=5, width=20, height=10), resize))

    np.testing.assert_array_equal(cropped, picture[5:15, 3:23])
    assert cropped.flags.c_contiguous


@pytest.mark.parametrize("resize", FILTERS)
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
def test_the_result_has_the_size_and_layout_that_a_model_takes(
    spec: Preprocess, resize: Filter
) -> None:
    spec = spec.model_copy(update={"resize": resize})
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


def test_pillow_bilinear_is_pillows() -> None:
    picture = a_picture(80, 60)

    expected = Pillow.fromarray(picture).resize((33, 47), Pillow.Resampling.BILINEAR)
    found = preprocess(picture, to(33, 47, resize="pillow_bilinear"))
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_whole_levels_of_tensor_bicubic_stay_between_black_and_white() -> None:
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[:, 20:] = 255
    levels = tensor_bicubic(picture, 60, 60)
    assert levels.min() < -5
    assert levels.max() > 260
    found = preprocess(picture, to(60, 60, resize="tensor_bicubic"))
    np.testing.assert_array_equal(found, np.floor(levels + 0.5).clip(0, 255))


def test_tensor_bilinear_rounds_once() -> None:
    picture = a_picture(80, 60)

    found = preprocess(picture, to(33, 47, resize="tensor_bilinear"))
    np.testing.assert_array_equal(found, np.floor(tensor_bilinear(picture, 33, 47) + 0.5))
    assert found.dtype == np.uint8
    assert (found != preprocess(picture, to(33, 47, resize="pillow_bilinear"))).any()


def test_a_graph_that_takes_floats_gets_them_as_they_are() -> None:
    picture = a_picture(80, 60)
    floats = Preprocess(width=33, height=47, resize="tensor_bilinear", input="float32")

    found = preprocess(picture, floats)

    np.testing.assert_array_equal(found, tensor_bilinear(picture, 33, 47))
    assert found.dtype == np.float32
    assert (found % 1 != 0).any()


def test_a_picture_that_fits_becomes_floats_too() -> None:
    picture = a_picture(40, 30)
    floats = Preprocess(
        width=40,
        height=30,
        resize="tensor_bilinear",
        input="float32",
        crop=Crop(x=3, y=5, width=20, height=10),
    )

    found = preprocess(picture, floats)

    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, picture[5:15, 3:23])


@pytest.mark.parametrize("resize", ["area", "linear", "pillow_bilinear"])
def test_a_filter_that_leaves_whole_levels_has_no_float_input(resize: Filter) -> None:
    with pytest.raises(ValueError, match="whole levels, and the input is float32"):
        Preprocess(width=33, height=47, resize=resize, input="float32")


def test_linear_is_what_opencv_calls_linear() -> None:
    picture = a_picture(80, 60)

    expected = cv2.resize(picture, (33, 47), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(preprocess(picture, to(33, 47, resize="linear")), expected)


@pytest.mark.parametrize("resize", FILTERS)
def test_the_crop_is_cut_from_the_resized_picture(resize: Filter) -> None:
    picture = a_picture(80, 60)
    whole = preprocess(picture, to(40, 30, resize=resize))

    cropped = preprocess(picture, to(40, 30, Crop(x=7, y=2, width=21, height=25), resize))

    np.testing.assert_array_equal(cropped, whole[2:27, 7:28])


@pytest.mark.parametrize("resize", FILTERS)
def test_the_picture_is_left_as_it_was(resize: Filter) -> None:
    picture = a_picture(40, 30)
    before = picture.copy()

    preprocess(picture, to(20, 90, Crop(x=1, y=1, width=8, height=8), resize))

    np.testing.assert_array_equal(picture, before)
