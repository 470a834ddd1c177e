"""Where the model looked on a picture, and the pixels that its map's cells touch."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from takt.core.bundles.manifest import Crop, Preprocess
from takt.core.domain import Box
from takt.core.pictures.placement import placement
from takt.core.pictures.preprocess import preprocess

SIZES = [(640, 480), (1280, 961), (4001, 2999), (447, 449), (50, 60), (7, 2000), (1, 1)]


def to(width: int, height: int, crop: Crop | None = None) -> Preprocess:
    return Preprocess(width=width, height=height, resize="area", crop=crop)


CENTRE = Crop(x=32, y=32, width=448, height=448)
OF_VITS = to(448, 448, Crop(x=28, y=28, width=392, height=392))
SKEWED = to(300, 200, Crop(x=1, y=0, width=257, height=199))


def edge(index: int, cells: int, start: int, length: int, resized: int, original: int) -> Fraction:
    """Where a cell begins: first in the crop, then in the resized picture, then in the picture."""
    in_crop = Fraction(index, cells) * length
    return (start + in_crop) / resized * original


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
def test_the_box_is_the_crop_on_the_picture(
    spec: Preprocess, size: tuple[int, int], expected: Box
) -> None:
    assert placement(spec, *size).box == expected


@pytest.mark.parametrize("size", SIZES)
def test_the_box_lies_within_the_picture(size: tuple[int, int]) -> None:
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
        box = placement(to(256, 256, crop), width, height).box

        assert box.width > 0 and box.height > 0
        assert box.x >= 0 and box.x + box.width <= width
        assert box.y >= 0 and box.y + box.height <= height


@pytest.mark.parametrize("size", [(640, 512), (1000, 300), (100, 900), (90, 70)])
def test_the_model_sees_the_box_and_nothing_else(size: tuple[int, int]) -> None:
    width, height = size
    spec = to(128, 128, Crop(x=16, y=24, width=64, height=80))
    box = placement(spec, width, height).box
    picture = np.zeros((height, width, 3), np.uint8)
    picture[box.y : box.y + box.height, box.x : box.x + box.width] = 255

    seen = preprocess(picture, spec)
    unseen = preprocess(255 - picture, spec)

    assert (seen[2:-2, 2:-2] == 255).all()
    assert (unseen[2:-2, 2:-2] == 0).all()
    beyond = preprocess(picture, to(128, 128))
    assert beyond[:14].max() < 255 and beyond[:, 90:].max() < 255


@pytest.mark.parametrize("grid", [(28, 28), (256, 256), (57, 56), (1, 3)])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("spec", [OF_VITS, SKEWED, to(256, 256)])
def test_the_touched_pixels_are_those_that_rational_numbers_give(
    spec: Preprocess, size: tuple[int, int], grid: tuple[int, int]
) -> None:
    (width, height), (rows, columns) = size, grid
    crop = spec.crop or Crop(x=0, y=0, width=spec.width, height=spec.height)
    placed = placement(spec, width, height)
    rng = np.random.default_rng(7)
    for _ in range(100):
        left, top = int(rng.integers(columns)), int(rng.integers(rows))
        right = int(rng.integers(left, columns)) + 1
        bottom = int(rng.integers(top, rows)) + 1
        across = [edge(k, columns, crop.x, crop.width, spec.width, width) for k in (left, right)]
        down = [edge(k, rows, crop.y, crop.height, spec.height, height) for k in (top, bottom)]

        touched = placed.touched(Box(left, top, right - left, bottom - top), grid)
        cells = (right - left) * (bottom - top)

        assert touched.x == math.floor(across[0])
        assert touched.y == math.floor(down[0])
        assert touched.x + touched.width == math.ceil(across[1]) <= width
        assert touched.y + touched.height == math.ceil(down[1]) <= height
        exact = (across[1] - across[0]) * (down[1] - down[0])
        assert placed.area_px(cells, grid) == max(1, round(exact))


@pytest.mark.parametrize("size", SIZES)
def test_of_a_model_that_sees_all_the_cells_tile_the_picture(size: tuple[int, int]) -> None:
    width, height = size
    placed = placement(to(256, 256), width, height)
    for column in range(56):
        touched = placed.touched(Box(column, 0, 1, 64), (64, 56))
        assert touched.x == column * width // 56
        assert touched.x + touched.width == -(-(column + 1) * width // 56)
        assert (touched.y, touched.height) == (0, height)
    assert placed.touched(Box(0, 0, 56, 64), (64, 56)) == placed.box == Box(0, 0, width, height)
    assert placed.area_px(56 * 64, (64, 56)) == width * height


def test_cells_are_placed_by_the_exact_crop_and_not_by_its_rounded_box() -> None:
    placed = placement(OF_VITS, 600, 600)  # the crop is 37.5 … 562.5
    assert placed.box == Box(38, 38, 525, 525)
    # Cell k of 28 is 37.5 + 18.75 k … 56.25 + 18.75 k.
    assert placed.touched(Box(0, 0, 1, 1), (28, 28)) == Box(37, 37, 20, 20)
    assert placed.touched(Box(2, 27, 2, 1), (28, 28)) == Box(75, 543, 38, 20)
    assert placed.area_px(1, (28, 28)) == round(18.75**2)


def test_a_cell_of_a_picture_smaller_than_the_map_has_at_least_one_pixel() -> None:
    placed = placement(OF_VITS, 5, 5)
    for column in range(256):
        touched = placed.touched(Box(column, 0, 1, 1), (256, 256))
        assert 0 <= touched.x < touched.x + touched.width <= 5
    assert placed.area_px(1, (256, 256)) == 1
