"""The service's resize filters beside torch and OpenCV: differences and time.

    python benchmarks/resize.py [--pictures DIR]

First what the float filter differs from torch's by and Pillow's filter from Pillow itself, on real
pictures cut and scaled to odd sizes. Then the time for pictures of three sizes to become a model's
input, on one thread: all ways take turns, and the thread's own processor time is counted, so that
other work on the machine meets each alike and is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow

from service.core.bundles.manifest import Crop, Filter, InputType, Preprocess
from service.core.domain import Image
from service.core.pictures.decode import decode
from service.core.pictures.preprocess import preprocess

EXAMPLES = Path(__file__).parents[1] / "examples" / "pictures"
ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
WAYS: tuple[tuple[Filter, InputType], ...] = (
    ("tensor_bilinear", "float32"),
    ("tensor_bilinear", "uint8"),
    ("pillow_bilinear", "uint8"),
    ("area", "uint8"),
    ("linear", "uint8"),
)
SIZES = ((256, 256), (1280, 960), (4096, 3000))
TARGETS = ((256, None), (448, Crop(x=28, y=28, width=392, height=392)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, action="append", default=[])
    parser.add_argument("--count", type=int, default=60, help="of pictures from each folder")
    parser.add_argument("--rounds", type=int, default=25)
    given = parser.parse_args()

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    pictures = [*read(EXAMPLES, given.count)]
    for folder in given.pictures:
        pictures += read(folder, given.count)
    odd = of_odd_sizes(pictures)
    print(f"{len(odd)} pictures of odd sizes, from {len(pictures)} real ones\n")
    for side, crop in TARGETS:
        floats, levels = largest_difference(odd, side, crop), other_levels(odd, side, crop)
        print(f"to {goal(side, crop)}: {floats:.1e} of white at most; {levels} of Pillow's levels")
    print_times(pictures[0], given.rounds)


def read(folder: Path, count: int) -> list[Image]:
    """At most `count` of a folder's pictures, evenly spread."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    chosen = paths[:: max(1, len(paths) // count)][:count]
    return [decode(path.read_bytes(), 100_000_000) for path in chosen]


def of_odd_sizes(pictures: list[Image]) -> list[Image]:
    """Three of each: a random part, the whole scaled, and a narrow strip."""
    rng = np.random.default_rng(0)
    odd = []
    for picture in pictures:
        rows, columns, _ = picture.shape
        height, width = (int(rng.integers(side // 2, side)) | 1 for side in (rows, columns))
        odd.append(picture[:height, :width])
        odd.append(scaled(picture, (int(rng.integers(50, 2000)) | 1, int(rng.integers(50, 2000)))))
        odd.append(picture[:, : int(rng.integers(1, columns))])
    return [np.ascontiguousarray(picture) for picture in odd]


def scaled(picture: Image, size: tuple[int, int]) -> Image:
    """Of (columns, rows)."""
    return cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)


def largest_difference(pictures: list[Image], side: int, crop: Crop | None) -> float:
    """Of the float filter from torch's, as a part of white."""
    spec = Preprocess(width=side, height=side, resize="tensor_bilinear", input="float32", crop=crop)
    return max(
        float(np.abs(preprocess(picture, spec) / 255 - by_torch(picture, side, crop)).max())
        for picture in pictures
    )


def other_levels(pictures: list[Image], side: int, crop: Crop | None) -> int:
    """Number of values in which Pillow's filter differs from Pillow."""
    spec = Preprocess(width=side, height=side, resize="pillow_bilinear", crop=crop)
    return sum(
        int((preprocess(picture, spec) != by_pillow(Pillow.fromarray(picture), side, crop)).sum())
        for picture in pictures
    )


def by_pillow(picture: Pillow.Image, side: int, crop: Crop | None) -> NDArray[Any]:
    """As Pillow resizes, RGB uint8 [h,w,3]."""
    return cut(np.asarray(picture.resize((side, side), Pillow.Resampling.BILINEAR)), crop)


def by_torch(picture: Image, side: int, crop: Crop | None) -> NDArray[np.float32]:
    """As torchvision resizes a float tensor, RGB [h,w,3] from 0 to 1."""
    planes = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].float() / 255
    resized = torch.nn.functional.interpolate(planes, (side, side), mode="bilinear", antialias=True)
    return cut(resized[0].permute(1, 2, 0).numpy(), crop)


def cut(picture: NDArray[Any], crop: Crop | None) -> NDArray[Any]:
    """The crop of a resized picture."""
    if crop is None:
        return picture
    return picture[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]


def print_times(picture: Image, rounds: int) -> None:
    """Medians of one thread's time."""
    print("\n| picture | input | way | ms |\n|---|---|---|---|")
    for size in SIZES:
        for side, crop in TARGETS:
            shown = scaled(picture, size)
            ways: dict[str, Callable[[], object]] = {
                f"{name}, {kind}": partial(
                    preprocess,
                    shown,
                    Preprocess(width=side, height=side, resize=name, input=kind, crop=crop),
                )
                for name, kind in WAYS
            }
            # A picture of its own kind, so that its conversion is not counted.
            ways["Pillow itself"] = partial(by_pillow, Pillow.fromarray(shown), side, crop)
            ways["torch itself"] = partial(by_torch, shown, side, crop)
            for name, median_ms in take_turns(ways, rounds).items():
                print(
                    f"| {size[0]} × {size[1]} | {goal(side, crop):13} | {name:24} "
                    f"| {median_ms:6.2f} |"
                )


def goal(side: int, crop: Crop | None) -> str:
    """The input's size in words."""
    return f"{side}²" if crop is None else f"{side}², crop {crop.width}²"


def take_turns(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each way."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 2):
        for name, way in ways.items():
            started_s = time.thread_time()
            way()
            if turn >= 2:
                times[name].append((time.thread_time() - started_s) * 1000)
    return {name: statistics.median(values) for name, values in times.items()}


if __name__ == "__main__":
    main()
