"""Resizing equals Pillow's in every level, and torchvision's in floats."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow

from takt.core.bundles.manifest import Crop
from takt.core.domain import Image
from takt.core.pictures.antialiased import pillow_bilinear, tensor_bicubic, tensor_bilinear

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


def a_picture(kind: str, columns: int, rows: int) -> Image:
    levels = noise(columns, rows)
    if kind == "noise":
        return levels
    if kind == "edges":
        return np.where(levels > 127, 255, 0).astype(np.uint8)
    y, x = np.mgrid[:rows, :columns]
    ramp = np.stack([x * 255 // columns, y * 255 // rows, (x + y) % 256], axis=2)
    return ramp.astype(np.uint8)


def by_torchvision(picture: Image, width: int, height: int, mode: str = "bilinear") -> NDArray[Any]:
    """What `torchvision.transforms.v2.functional.resize` runs on a float tensor, in levels."""
    planes = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    resized = torch.nn.functional.interpolate(planes, (height, width), mode=mode, antialias=True)
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


@pytest.mark.parametrize("kind", ["noise", "edges", "gradient"])
@pytest.mark.parametrize(("size", "target"), RESIZES, ids=str)
def test_every_level_is_pillow_s(kind: str, size: tuple[int, int], target: tuple[int, int]) -> None:
    picture = a_picture(kind, *size)

    resized = pillow_bilinear(picture, *target)

    due = Pillow.fromarray(picture).resize(target, Pillow.Resampling.BILINEAR)
    np.testing.assert_array_equal(resized, np.asarray(due))
    assert resized.flags.writeable
    assert resized.flags.c_contiguous


@pytest.mark.parametrize(("size", "target"), RESIZES, ids=str)
def test_bicubic_floats_differ_by_two_millionths_at_most(
    size: tuple[int, int], target: tuple[int, int]
) -> None:
    picture = noise(*size)

    ours = tensor_bicubic(picture, *target)

    due = by_torchvision(picture, *target, mode="bicubic")
    np.testing.assert_allclose(ours, due, rtol=0, atol=2 * 255e-6)


@pytest.mark.parametrize("resize", [pillow_bilinear, tensor_bilinear, tensor_bicubic])
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
    view = picture[20:150:2, 280:31:-1]

    for resize in (pillow_bilinear, tensor_bilinear):
        np.testing.assert_array_equal(resize(view, 64, 48), resize(view.copy(), 64, 48))


def test_pillow_s_halves_go_up() -> None:
    pairs = np.array([[[0] * 3, [1] * 3], [[1] * 3, [2] * 3], [[2] * 3, [3] * 3]], np.uint8)

    means = pillow_bilinear(pairs, 1, 3)

    assert means[:, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("target", [(64, 64), (120, 100), (300, 200)], ids=str)
def test_a_plain_picture_keeps_its_level(target: tuple[int, int]) -> None:
    for level in range(256):
        plain = np.full((100, 120, 3), level, np.uint8)

        assert (pillow_bilinear(plain, *target) == level).all()


@pytest.mark.parametrize("resize", [pillow_bilinear, tensor_bilinear, tensor_bicubic])
@pytest.mark.parametrize("size", [(90, 70), (1300, 1100)], ids=str)
def test_channels_do_not_mix(resize: Callable[..., NDArray[Any]], size: tuple[int, int]) -> None:
    picture = noise(*size)
    whole = resize(picture, 32, 48)

    for channel in range(3):
        alone = np.zeros_like(picture)
        alone[..., channel] = picture[..., channel]
        expected = np.zeros_like(whole)
        expected[..., channel] = whole[..., channel]
        np.testing.assert_allclose(resize(alone, 32, 48), expected, rtol=0, atol=1e-4)


ON_ONE_THREAD = """
import time
import numpy as np
from takt.core.pictures.antialiased import pillow_bilinear, tensor_bicubic, tensor_bilinear

sizes = [(960, 1280), (479, 640), (1500, 2048), (300, 2000), (64, 64), (20, 30000)]
rng = np.random.default_rng(0)
pictures = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
for _ in range(2):
    everywhere, here = time.process_time(), time.thread_time()
    for picture in pictures:
        for side in (16, 64, 256):
            pillow_bilinear(picture, side, side)
            tensor_bilinear(picture, side, side)
print(time.process_time() - everywhere, time.thread_time() - here)
"""


def test_resizing_stays_on_the_calling_thread() -> None:
    env = os.environ | {"OPENBLAS_NUM_THREADS": "4", "OMP_NUM_THREADS": "4"}

    done = subprocess.run(
        [sys.executable, "-c", ON_ONE_THREAD],
        env=env,
        cwd=Path(__file__).parents[5],
        capture_output=True,
        text=True,
        check=True,
    )

    process_s, thread_s = map(float, done.stdout.split())
    assert process_s < 1.1 * thread_s


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
