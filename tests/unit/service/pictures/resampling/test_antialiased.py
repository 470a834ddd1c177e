"""Resizing equals Pillow's in every level, and torch's but for the one rounding."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow

from service.bundles.manifest import Crop
from service.domain import Image
from service.pictures.resampling.antialiased import pillow_bilinear, tensor_bilinear

Resize = Callable[..., Image]

EXAMPLES = sorted((Path(__file__).parents[5] / "examples" / "pictures").glob("*/*.jpg"))

RESIZES = [
    # (columns, rows) of the picture, (columns, rows) of the result
    ((1, 1), (1, 1)),
    ((1, 1), (5, 7)),
    ((2, 3), (5, 4)),
    ((3, 2), (2, 3)),
    ((7, 5), (3, 2)),
    ((7, 5), (5, 7)),
    ((7, 5), (64, 64)),
    ((16, 16), (8, 8)),
    ((17, 1), (4, 9)),
    ((1, 17), (9, 4)),
    ((64, 64), (448, 448)),
    ((97, 131), (97, 64)),
    ((97, 131), (50, 131)),
    ((100, 300), (128, 32)),
    ((300, 100), (32, 128)),
    ((128, 128), (256, 256)),
    ((255, 257), (256, 256)),
    ((257, 255), (448, 448)),
    ((256, 256), (64, 64)),
    ((384, 384), (256, 256)),
    ((512, 512), (256, 256)),
    ((565, 230), (256, 256)),
    ((640, 479), (256, 256)),
    ((641, 480), (448, 448)),
    ((768, 768), (128, 128)),
    ((901, 333), (448, 448)),
    ((1024, 700), (256, 256)),
    ((1280, 960), (448, 448)),
    ((1536, 1152), (256, 256)),
    ((3000, 40), (5, 20)),
    ((40, 3000), (20, 5)),
    ((9000, 7), (3, 5)),
    ((7, 9000), (448, 3)),
]
KINDS = ["noise", "gradient", "edges", "scene"]


def a_picture(kind: str, columns: int, rows: int) -> Image:
    rng = np.random.default_rng(columns * 7919 + rows)
    noise = rng.integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    if kind == "noise":
        return noise
    if kind == "edges":
        return np.where(cv2.medianBlur(noise, 3).reshape(noise.shape) > 127, 255, 0).astype(
            np.uint8
        )
    y, x = np.mgrid[:rows, :columns]
    ramp = np.stack([x * 255 // columns, y * 255 // rows, (x + y) % 256], axis=2)
    if kind == "gradient":
        return ramp.astype(np.uint8)
    return np.clip(ramp + noise // 16 + 40 * np.sin(x / 5)[..., None], 0, 255).astype(np.uint8)


def by_pillow(picture: Image, width: int, height: int) -> Image:
    resized = Pillow.fromarray(picture).resize((width, height), Pillow.Resampling.BILINEAR)
    return np.asarray(resized)


def by_torch(picture: Image, width: int, height: int) -> NDArray[np.float32]:
    planes = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].float()
    resized = torch.nn.functional.interpolate(
        planes, size=(height, width), mode="bilinear", antialias=True, align_corners=False
    )
    return resized[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "target"), RESIZES)
def test_every_level_is_pillows(kind: str, size: tuple[int, int], target: tuple[int, int]) -> None:
    picture = a_picture(kind, *size)

    np.testing.assert_array_equal(pillow_bilinear(picture, *target), by_pillow(picture, *target))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("size", "target"),
    [
        (size, target)
        for size, target in RESIZES
        if target[0] > 1  # torch repeats the first row where one column is left
    ],
)
def test_every_level_is_torchs_rounded(
    kind: str, size: tuple[int, int], target: tuple[int, int]
) -> None:
    picture = a_picture(kind, *size)

    difference = np.abs(tensor_bilinear(picture, *target) - by_torch(picture, *target))

    assert difference.max() <= 0.5 + 2e-4


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("target", [(256, 256), (448, 448)])
def test_real_pictures_come_out_as_pillow_and_torch_have_them(
    path: Path, target: tuple[int, int]
) -> None:
    picture = np.asarray(Pillow.open(path).convert("RGB"))

    np.testing.assert_array_equal(pillow_bilinear(picture, *target), by_pillow(picture, *target))
    difference = np.abs(tensor_bilinear(picture, *target) - by_torch(picture, *target))
    assert difference.max() <= 0.5 + 2e-4


def test_all_example_pictures_are_there() -> None:
    assert len(EXAMPLES) == 12


@pytest.mark.parametrize("resize", [pillow_bilinear, tensor_bilinear])
@pytest.mark.parametrize(
    ("size", "target", "crop"),
    [
        ((640, 479), (448, 448), Crop(x=28, y=28, width=392, height=392)),
        ((1280, 960), (256, 256), Crop(x=16, y=16, width=224, height=224)),
        ((100, 700), (256, 256), Crop(x=0, y=100, width=256, height=20)),
        ((100, 1500), (120, 300), Crop(x=3, y=200, width=100, height=100)),
        ((64, 64), (448, 448), Crop(x=447, y=0, width=1, height=448)),
        ((333, 222), (64, 64), Crop(x=63, y=63, width=1, height=1)),
        ((333, 222), (333, 222), Crop(x=30, y=20, width=100, height=50)),
    ],
)
def test_a_crop_is_cut_from_the_resized_picture(
    resize: Resize, size: tuple[int, int], target: tuple[int, int], crop: Crop
) -> None:
    picture = a_picture("scene", *size)
    whole = resize(picture, *target)

    cropped = resize(picture, *target, crop)

    rows = slice(crop.y, crop.y + crop.height)
    np.testing.assert_array_equal(cropped, whole[rows, crop.x : crop.x + crop.width])
    assert cropped.flags.c_contiguous
    assert cropped.dtype == np.uint8


@pytest.mark.parametrize("resize", [pillow_bilinear, tensor_bilinear])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (640, 479)])
def test_resizing_to_its_own_size_leaves_a_picture_unchanged(
    resize: Resize, size: tuple[int, int]
) -> None:
    picture = a_picture("noise", *size)

    np.testing.assert_array_equal(resize(picture, *size), picture)


@pytest.mark.parametrize("resize", [pillow_bilinear, tensor_bilinear])
@pytest.mark.parametrize("target", [(64, 64), (37, 91), (200, 150)])
def test_a_plain_picture_keeps_its_level(resize: Resize, target: tuple[int, int]) -> None:
    for level in range(256):
        plain = np.full((100, 120, 3), level, np.uint8)

        assert (resize(plain, *target) == level).all()


def test_pillows_halves_go_up() -> None:
    pairs = np.array([[[0] * 3, [1] * 3], [[1] * 3, [2] * 3], [[2] * 3, [3] * 3]], np.uint8)

    means = pillow_bilinear(pairs, 1, 3)

    assert means[:, 0, 0].tolist() == [1, 2, 3]


def test_channels_do_not_mix() -> None:
    picture = a_picture("noise", 90, 70)

    for resize in (pillow_bilinear, tensor_bilinear):
        whole = resize(picture, 32, 48)
        for channel in range(3):
            alone = np.zeros_like(picture)
            alone[..., channel] = picture[..., channel]
            expected = np.zeros_like(whole)
            expected[..., channel] = whole[..., channel]
            np.testing.assert_array_equal(resize(alone, 32, 48), expected)


@pytest.mark.parametrize("resize", [pillow_bilinear, tensor_bilinear])
def test_views_are_taken_for_what_they_show(resize: Resize) -> None:
    picture = a_picture("scene", 200, 150)
    view = picture[::2, ::-1, ::-1]
    before = picture.copy()

    resized = resize(view, 64, 64)

    np.testing.assert_array_equal(resized, resize(np.ascontiguousarray(view), 64, 64))
    np.testing.assert_array_equal(picture, before)


def test_many_threads_may_resize_at_once() -> None:
    pictures = [a_picture("scene", 300 + 7 * n, 200 + 5 * n) for n in range(8)]
    expected = [by_pillow(picture, 128, 128) for picture in pictures]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda picture: pillow_bilinear(picture, 128, 128), pictures * 8))

    for n, resized in enumerate(found):
        np.testing.assert_array_equal(resized, expected[n % 8])


def peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("resize", [pillow_bilinear, tensor_bilinear])
@pytest.mark.parametrize("size", [(4096, 3000), (3000, 4096), (60_000, 200), (200, 60_000)])
def test_no_float_copy_of_a_large_picture_is_made(resize: Resize, size: tuple[int, int]) -> None:
    columns, rows = size
    picture = np.zeros((rows, columns, 3), np.uint8)
    resize(picture, 256, 256)  # plans, which are kept

    with ThreadPoolExecutor(1) as fresh:
        needed = fresh.submit(peak_bytes, lambda: resize(picture, 256, 256)).result()

    assert 1_000_000 < needed < picture.nbytes / 2


@pytest.mark.parametrize("resize", [pillow_bilinear, tensor_bilinear])
def test_a_thread_needs_little_new_memory_for_the_next_picture(resize: Resize) -> None:
    picture = a_picture("scene", 1280, 960)
    resized = resize(picture, 256, 256)

    needed = peak_bytes(lambda: resize(picture, 256, 256))

    assert needed < 4 * resized.nbytes < picture.nbytes / 4


@pytest.mark.parametrize("resize", [pillow_bilinear, tensor_bilinear])
def test_a_result_outlives_the_next_picture(resize: Resize) -> None:
    first, second = a_picture("noise", 300, 200), a_picture("scene", 300, 200)
    resized = resize(first, 64, 64)
    before = resized.copy()

    resize(second, 64, 64)

    np.testing.assert_array_equal(resized, before)
    assert resized.base is None or resized.base.nbytes == resized.nbytes


ON_ONE_THREAD = """
import time
import numpy as np
from service.pictures.resampling.antialiased import pillow_bilinear, tensor_bilinear

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
