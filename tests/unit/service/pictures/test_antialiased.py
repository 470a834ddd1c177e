"""Resizing equals Pillow's in every level, and torchvision's in floats."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow

from service.bundles.manifest import Crop
from service.domain import Image
from service.pictures.antialiased import pillow_bilinear, tensor_bilinear

RESIZES = [
    # (columns, rows) of the picture, (columns, rows) of the result
    ((1, 1), (5, 7)),
    ((2, 3), (5, 4)),
    ((7, 5), (3, 2)),
    ((7, 5), (5, 7)),
    ((17, 1), (4, 9)),
    ((1, 17), (9, 4)),
    ((64, 64), (448, 448)),
    ((97, 131), (97, 64)),
    ((97, 131), (50, 131)),
    ((100, 300), (128, 32)),
    ((300, 100), (32, 128)),
    ((257, 255), (448, 448)),
    ((512, 512), (256, 256)),
    ((565, 230), (256, 256)),
    ((1024, 700), (256, 256)),
    ((3000, 40), (5, 20)),
    ((40, 3000), (20, 5)),
    ((7, 600), (448, 3)),
]


def noise(columns: int, rows: int) -> Image:
    rng = np.random.default_rng(columns * 7919 + rows)
    return rng.integers(0, 256, (rows, columns, 3), dtype=np.uint8)


def by_torchvision(picture: Image, width: int, height: int) -> NDArray[Any]:
    """What `torchvision.transforms.v2.functional.resize` runs on a float tensor, in levels."""
    planes = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    resized = torch.nn.functional.interpolate(
        planes, (height, width), mode="bilinear", antialias=True
    )
    return resized[0].permute(1, 2, 0).numpy() * 255


@pytest.mark.parametrize(("size", "target"), RESIZES, ids=str)
def test_floats_differ_from_torchvision_s_by_a_millionth_of_white_at_most(
    size: tuple[int, int], target: tuple[int, int]
) -> None:
    picture = noise(*size)

    ours = tensor_bilinear(picture, *target)

    assert ours.dtype == np.float32
    assert ours.flags.c_contiguous
    np.testing.assert_allclose(ours, by_torchvision(picture, *target), rtol=0, atol=255e-6)


@pytest.mark.parametrize(("size", "target"), RESIZES, ids=str)
def test_levels_are_pillow_s(size: tuple[int, int], target: tuple[int, int]) -> None:
    picture = noise(*size)

    resized = pillow_bilinear(picture, *target)

    due = Pillow.fromarray(picture).resize(target, Pillow.Resampling.BILINEAR)
    np.testing.assert_array_equal(resized, np.asarray(due))
    assert resized.flags.writeable
    assert resized.flags.c_contiguous


@pytest.mark.parametrize("resize", [pillow_bilinear, tensor_bilinear])
@pytest.mark.parametrize("size", [(640, 480), (90, 70), (40, 900)], ids=str)
def test_a_crop_is_that_part_of_the_whole(
    resize: Callable[..., NDArray[Any]], size: tuple[int, int]
) -> None:
    picture, crop = noise(*size), Crop(x=28, y=5, width=50, height=61)

    part = resize(picture, 112, 96, crop)

    whole = resize(picture, 112, 96)
    assert part.shape == (61, 50, 3)
    np.testing.assert_allclose(part, whole[5:66, 28:78], rtol=0, atol=1e-4)
    assert part.flags.c_contiguous


def test_a_part_of_a_picture_is_resized_as_its_copy_is() -> None:
    picture = noise(300, 200)
    view = picture[20:150, 31:280]

    for resize in (pillow_bilinear, tensor_bilinear):
        np.testing.assert_array_equal(resize(view, 64, 48), resize(view.copy(), 64, 48))


def test_white_stays_white() -> None:
    white = np.full((333, 777, 3), 255, np.uint8)

    np.testing.assert_allclose(tensor_bilinear(white, 256, 256), 255, rtol=0, atol=1e-4)


def test_a_large_picture_takes_little_memory_beside_itself() -> None:
    picture = noise(2000, 1500)
    tensor_bilinear(picture, 256, 256)  # its weights are kept
    tracemalloc.start()
    try:
        tensor_bilinear(picture, 256, 256)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 2 * picture.nbytes
