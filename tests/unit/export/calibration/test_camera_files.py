from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow

from export.calibration.camera_files import tell_of_files
from service.core.bundles.manifest import Preprocess

SPEC = Preprocess(width=8, height=8, resize="area")


def told(paths: list[Path], **choices: str) -> str:
    lines: list[str] = []
    tell_of_files(paths, SPEC.model_copy(update=choices), lines.append)
    return "\n".join(lines)


def plain(folder: Path) -> Path:
    path = folder / "plain.png"
    cv2.imwrite(str(path), np.full((8, 8, 3), 99, np.uint8))
    return path


def turned(folder: Path) -> Path:
    exif, file = Pillow.Exif(), io.BytesIO()
    exif[274] = 6
    Pillow.fromarray(np.zeros((8, 12, 3), np.uint8)).save(file, "JPEG", exif=exif)
    path = folder / "turned.jpg"
    path.write_bytes(file.getvalue())
    return path


def deep(folder: Path) -> Path:
    path = folder / "deep.png"
    cv2.imwrite(str(path), np.full((8, 8), 4000, np.uint16))
    return path


def test_upright_pictures_of_8_bits_need_no_word(tmp_path: Path) -> None:
    assert told([plain(tmp_path)]) == ""


def test_turned_pictures_are_counted_with_how_the_model_sees_them(tmp_path: Path) -> None:
    paths = [plain(tmp_path), turned(tmp_path)]
    assert "1 of 2 pictures are turned" in told(paths)
    assert "upright" in told(paths)
    assert "as they are stored" in told(paths, orientation="ignore")


def test_pictures_of_16_bits_are_told_with_what_becomes_of_them(tmp_path: Path) -> None:
    paths = [plain(tmp_path), deep(tmp_path)]
    assert "1 of 2 pictures have 16 bits" in told(paths)
    assert "1 of 1 of these are nearly black" in told(paths)
    # A fit of ours has no such option.
    assert "give takt fit, takt learn and the server pictures whose levels are stretched" in told(
        paths
    )
    assert "nearly black" not in told(paths, depth="12")
    assert "brighter levels" in told(paths, depth="pillow")
