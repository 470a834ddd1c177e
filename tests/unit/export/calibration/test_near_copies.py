from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from takt.core.domain import Image
from takt_export.calibration.near_copies import find_near_copies

Change = Callable[[Image], Image]


def part(seed: int) -> Image:
    """A part of its own: spots of several sizes on the outline that all parts share."""
    rng = np.random.default_rng(seed)
    picture = np.full((240, 320, 3), 90, np.float32)
    picture[40:200, 60:260] += 60
    for side in (8, 20, 60):
        spots = rng.normal(0, 12, (side, side, 1)).astype(np.float32)
        picture += cv2.resize(spots, (320, 240), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def saved_again(quality: int) -> Change:
    def change(picture: Image) -> Image:
        file = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return cv2.imdecode(file, cv2.IMREAD_COLOR)  # type: ignore[return-value]

    return change


def moved(columns: float, rows: float) -> Change:
    def change(picture: Image) -> Image:
        where = np.array([[1, 0, columns], [0, 1, rows]], np.float32)
        size = (picture.shape[1], picture.shape[0])
        return cv2.warpAffine(picture, where, size, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]

    return change


def brighter(factor: float) -> Change:
    return lambda picture: np.clip(np.rint(picture * factor), 0, 255).astype(np.uint8)


def noisier(levels: float) -> Change:
    def change(picture: Image) -> Image:
        noise = np.random.default_rng(7).normal(0, levels, picture.shape)
        return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)

    return change


def write(folder: Path, pictures: list[Image]) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        cv2.imwrite(str(path), picture)
    return paths


def test_different_parts_of_one_kind_stay_apart(tmp_path: Path) -> None:
    found = find_near_copies(write(tmp_path, [part(seed) for seed in range(8)]))
    assert found.number == (0, 1, 2, 3, 4, 5, 6, 7)


@pytest.mark.parametrize(
    "change",
    [
        saved_again(50),
        saved_again(90),
        moved(3, -2),
        moved(0.5, 1.5),
        brighter(0.92),
        brighter(1.08),
        noisier(4),
    ],
    ids=["quality-50", "quality-90", "3-px", "half-px", "darker", "brighter", "noise"],
)
def test_a_near_copy_shows_the_part_of_its_original(change: Change, tmp_path: Path) -> None:
    found = find_near_copies(write(tmp_path, [part(0), part(1), change(part(0)), part(2)]))
    assert found.number == (0, 1, 0, 2)


def test_a_burst_of_one_part_is_one_part(tmp_path: Path) -> None:
    frames = [noisier(level)(part(0)) for level in (1, 2, 3)]
    assert find_near_copies(write(tmp_path, frames)).count == 1


def test_plain_pictures_are_told_from_nothing(tmp_path: Path) -> None:
    plain = [np.full((240, 320, 3), level, np.uint8) for level in (0, 128, 130)]
    assert find_near_copies(write(tmp_path, [*plain, part(0)])).count == 4


def test_no_pictures_show_no_parts() -> None:
    assert find_near_copies([]).count == 0


def test_many_pictures_are_compared_block_by_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt_export.calibration.near_copies._BLOCK", 2)
    pictures = [part(0), part(1), brighter(1.05)(part(0)), part(2), brighter(1.05)(part(2))]
    assert find_near_copies(write(tmp_path, pictures)).number == (0, 1, 0, 2, 2)
