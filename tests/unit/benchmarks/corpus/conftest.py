from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

SIDE = 64


def write_set(root: Path, seed: int, good: int = 22) -> Path:
    """Noise, in which a bright square is a defect."""
    draw = np.random.default_rng(seed)

    def write(folder: str, number: int, *, defective: bool = False) -> None:
        picture = draw.integers(90, 130, (SIDE, SIDE, 3), dtype=np.uint8)
        if defective:
            picture[20:44, 20:44] = 250
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[20:44, 20:44] = 255
            (root / "ground_truth" / "spot").mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / "ground_truth" / "spot" / f"{number}_mask.png"), mask)
        (root / folder).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / folder / f"{number}.png"), picture)

    for number in range(good):
        write("train/good", number)
    for number in range(4):
        write("test/good", number)
        write("test/spot", number, defective=True)
    return root


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """A folder with two sets, and one that is none."""
    folder = tmp_path / "sets"
    write_set(folder / "one", seed=1)
    write_set(folder / "two", seed=2)
    (folder / "no_set" / "pictures").mkdir(parents=True)
    return folder
