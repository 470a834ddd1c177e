"""Sets of pictures as the benchmarks read them, made up in a moment."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

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
