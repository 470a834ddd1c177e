from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from takt.core.bundles.manifest import Preprocess
from takt_export.calibration.camera_files import file_depth, tell_of_files
from takt_export.errors import PicturesError

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


def deep(folder: Path, level: int = 4000) -> Path:
    path = folder / f"{level}.png"
    cv2.imwrite(str(path), np.full((8, 8), level, np.uint16))
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
    assert "a fit of Takt sees that by its own pictures" in told(paths)
    assert "--depth 12 or 14 of `takt export onnx` or `takt import onnx`" in told(paths)
    assert "nearly black" not in told(paths, depth="12")
    assert "brighter levels" in told(paths, depth="pillow")


@pytest.mark.parametrize(
    ("level", "depth"), [(0, "12"), (4095, "12"), (4096, "14"), (16383, "14"), (16384, "full")]
)
def test_a_fit_takes_the_fewest_bits_that_hold_the_brightest_picture(
    tmp_path: Path, level: int, depth: str
) -> None:
    lines: list[str] = []
    paths = [deep(tmp_path, 900), plain(tmp_path), deep(tmp_path, level)]
    assert file_depth(paths, lines.append) == depth
    assert lines[0].startswith("2 of 3 pictures have 16 bits: 0 to ")
    assert lines[0].endswith(f"as of a camera of {depth} bits") == (depth != "full")


def test_pictures_of_8_bits_need_no_choice(tmp_path: Path) -> None:
    lines: list[str] = []
    assert file_depth([plain(tmp_path), turned(tmp_path)], lines.append) == "full"
    assert not lines


def test_a_file_that_is_no_picture_is_named_before_a_fit(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture at all")
    with pytest.raises(PicturesError, match=r"broken\.png"):
        file_depth([broken], lambda _: None)
