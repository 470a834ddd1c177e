from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from export.calibration.duplicates import count_near_copies


def write(folder: Path, name: str, pixels: np.ndarray) -> Path:
    path = folder / f"{name}.png"
    cv2.imwrite(str(path), np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
    return path


def part(seed: int) -> np.ndarray:
    """A part of its own: coarse texture on the outline that all parts share."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.uniform(0, 60, (16, 16, 3)), (128, 128), interpolation=cv2.INTER_CUBIC)
    coarse[32:96, 32:96] += 120
    return coarse


def frame(pixels: np.ndarray, seed: int) -> np.ndarray:
    return pixels + np.random.default_rng((seed, 1)).normal(0, 1, pixels.shape)


def test_different_parts_of_one_kind_are_no_copies(tmp_path: Path) -> None:
    paths = [write(tmp_path, str(i), frame(part(i), i)) for i in range(8)]
    assert count_near_copies(paths) == 0


def test_further_frames_of_a_part_are_counted(tmp_path: Path) -> None:
    paths = [write(tmp_path, str(i), frame(part(i // 2), i)) for i in range(8)]
    assert count_near_copies(paths) == 4


def test_a_frame_of_a_part_that_the_fit_has_seen_is_counted(tmp_path: Path) -> None:
    paths = [write(tmp_path, f"new{i}", frame(part(i), i)) for i in range(6)]
    seen = [write(tmp_path, f"old{i}", frame(part(i), 50 + i)) for i in (0, 1, 9, 10)]
    assert count_near_copies(paths, seen) == 2


def test_the_same_pixels_in_other_files_are_copies_even_if_all_are_alike(tmp_path: Path) -> None:
    paths = [write(tmp_path, str(i), part(0)) for i in range(3)]
    assert count_near_copies(paths) == 2


def test_a_single_picture_repeats_nothing(tmp_path: Path) -> None:
    assert count_near_copies([write(tmp_path, "one", part(0))]) == 0
