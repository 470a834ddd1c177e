from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from takt_export.evaluation.smallest_defect import smallest_defect_side

Box = tuple[int, int, int, int]


def write(root: Path, defect: str, name: str, *boxes: Box) -> None:
    mask = np.zeros((60, 90), np.uint8)
    for top, left, height, width in boxes:
        mask[top : top + height, left : left + width] = 255
    for path in (
        root / "test" / defect / f"{name}.png",
        root / "ground_truth" / defect / f"{name}_mask.png",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), mask)


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    write(tmp_path, "pit", "0", (5, 5, 4, 9), (40, 40, 1, 1))
    write(tmp_path, "pit", "1", (5, 5, 20, 20))
    write(tmp_path, "scratch", "0", (10, 10, 2, 8))
    write(tmp_path, "scratch", "1")
    return tmp_path


@pytest.mark.parametrize(
    ("folder", "side"), [("test/pit", 6), ("test/scratch", 4), ("test", 4), ("", 4)]
)
def test_the_largest_region_of_the_least_defective_picture_counts(
    data_set: Path, folder: str, side: float
) -> None:
    assert smallest_defect_side(data_set / folder) == side


def test_without_masks_nothing_is_known(data_set: Path, tmp_path: Path) -> None:
    (data_set / "ground_truth").rename(tmp_path / "elsewhere")
    assert smallest_defect_side(data_set / "test" / "pit") is None
