"""The service's resize filters against Pillow, torch and OpenCV: levels and speed.

    python benchmarks/resize.py [--pictures DIR]

First the levels, on real pictures cut and scaled to odd sizes. Then the time for a picture of
1280 × 960 and one of 4096 × 3000 to become a model's input, on one thread: all ways take turns,
and the thread's own processor time is counted, so that other work on the machine meets each alike
and is not counted. Last, that it is one thread, and what two are worth.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow

from service.bundles.manifest import Crop, Filter, Preprocess
from service.domain import Image
from service.pictures.decode import decode
from service.pictures.preprocess import preprocess

EXAMPLES = Path(__file__).parents[1] / "examples" / "pictures"
ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
FILTERS: tuple[Filter, ...] = ("pillow_bilinear", "tensor_bilinear", "area", "linear")
SIZES = ((1280, 960), (4096, 3000))
TARGETS = ((256, None), (448, Crop(x=28, y=28, width=392, height=392)))

Ways = dict[str, Callable[[], object]]


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
    odd = [*of_odd_sizes(pictures)]
    print(f"{len(odd)} pictures of odd sizes, from {len(pictures)} real ones\n")
    print_levels(odd)
    print_times(pictures, given.rounds)
    print_threads(scaled(pictures[0], SIZES[0]))


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
    return cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)


@dataclass
class Levels:
    """Differences from a reference, in levels."""

    largest: float = 0.0
    total: float = 0.0
    apart: int = 0
    values: int = 0

    def add(self, found: Image, reference: NDArray[np.generic]) -> None:
        """Count one picture's."""
        difference = np.abs(found.astype(np.float64) - reference)
        self.largest = max(self.largest, float(difference.max()))
        self.total += float(difference.sum())
        self.apart += int((np.rint(reference) != found).sum())
        self.values += difference.size

    def __str__(self) -> str:
        mean, share = self.total / self.values, 100 * self.apart / self.values
        return f"{self.largest:10.5f} | {mean:9.6f} | {share:10.5f} %"


def print_levels(pictures: list[Image]) -> None:
    """Each filter against Pillow, and the tensors' against torch, for both targets."""
    print("| filter | against | pixels | largest | mean | other level |\n|---|---|---|---|---|---|")
    for side, crop in TARGETS:
        for name in FILTERS:
            spec = Preprocess(width=side, height=side, resize=name, crop=crop)
            against: dict[str, Levels] = {"Pillow": Levels()}
            if name == "tensor_bilinear":
                against["torch"] = Levels()
            for picture in pictures:
                found = preprocess(picture, spec)
                against["Pillow"].add(found, by_pillow(Pillow.fromarray(picture), spec))
                if "torch" in against:
                    against["torch"].add(found, by_torch(picture, spec))
            for reference, levels in against.items():
                print(f"| {name:15} | {reference:6} | {side} | {levels} |")
    print()


def by_pillow(picture: Pillow.Image, spec: Preprocess) -> Image:
    """Whole, then cropped."""
    resized = picture.resize((spec.width, spec.height), Pillow.Resampling.BILINEAR)
    return cut(np.asarray(resized), spec.crop)


def by_torch(picture: Image, spec: Preprocess) -> NDArray[np.float32]:
    """On float32 levels, not rounded."""
    planes = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].float()
    size = (spec.height, spec.width)
    resized = torch.nn.functional.interpolate(planes, size, mode="bilinear", antialias=True)
    return cut(resized[0].permute(1, 2, 0).numpy(), spec.crop)


def cut(picture: NDArray[Any], crop: Crop | None) -> NDArray[Any]:
    """The crop, contiguous."""
    if crop is None:
        return picture
    part = picture[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]
    return np.ascontiguousarray(part)


def print_times(pictures: list[Image], rounds: int) -> None:
    """Medians of one thread's time, and their ratio to Pillow's."""
    print("| picture | input | way | ms | of Pillow |\n|---|---|---|---|---|")
    for size in SIZES:
        for side, crop in TARGETS:
            picture = scaled(pictures[0], size)
            ways = ways_of(picture, side, crop)
            medians = take_turns(ways, rounds)
            for name, median_ms in medians.items():
                share = median_ms / medians["Pillow"]
                goal = f"{side}²" if crop is None else f"{side}², crop {crop.width}²"
                print(
                    f"| {size[0]} × {size[1]} | {goal:13} | {name:15} | {median_ms:6.2f} "
                    f"| {share:5.2f} |"
                )
    print()


def ways_of(picture: Image, side: int, crop: Crop | None) -> Ways:
    """Pillow is given a picture of its own kind, so that its conversion is not counted."""
    its_own = Pillow.fromarray(picture)
    specs = {name: Preprocess(width=side, height=side, resize=name, crop=crop) for name in FILTERS}
    ways: Ways = {name: partial(preprocess, picture, spec) for name, spec in specs.items()}
    ways["Pillow"] = partial(by_pillow, its_own, specs["pillow_bilinear"])
    return ways


def take_turns(ways: Ways, rounds: int) -> dict[str, float]:
    """Median milliseconds of each way."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 2):
        for name, way in ways.items():
            started_s = time.thread_time()
            way()
            if turn >= 2:
                times[name].append((time.thread_time() - started_s) * 1000)
    return {name: statistics.median(values) for name, values in times.items()}


def print_threads(picture: Image) -> None:
    """Processor time of all threads against the caller's, and two callers against one."""
    cv2.setNumThreads(-1)
    print("| way | process / caller | two threads / one |\n|---|---|---|")
    for name, way in ways_of(picture, 256, None).items():
        process_s, thread_s = time.process_time(), time.thread_time()
        for _ in range(100):
            way()
        share = (time.process_time() - process_s) / (time.thread_time() - thread_s)
        gains = sorted(rate(way, 2) / rate(way, 1) for _ in range(7))
        print(f"| {name:15} | {share:5.2f} | {statistics.median(gains):5.2f} |")


def rate(way: Callable[[], object], threads: int, calls: int = 60) -> float:
    """Calls a second of so many threads at once."""

    def work() -> None:
        for _ in range(calls):
            way()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    started_s = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return threads * calls / (time.perf_counter() - started_s)


if __name__ == "__main__":
    main()
