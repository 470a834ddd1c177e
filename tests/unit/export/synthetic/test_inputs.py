from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from takt.core.bundles.manifest import Preprocess
from takt_export.pictures import read_model_input
from takt_export.synthetic.inputs import SIDE_SHARES, reader_with_defects

SPEC = Preprocess(width=64, height=64, resize="area", crop=None)


@pytest.fixture
def textured(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    patches = np.random.default_rng(0).integers(0, 256, (16, 20, 3), dtype=np.uint8)
    cv2.imwrite(str(path), patches.repeat(8, axis=0).repeat(8, axis=1))
    return path


def test_each_defect_changes_a_small_part_of_the_models_input(textured: Path) -> None:
    good = read_model_input(textured, SPEC)
    spoiled = reader_with_defects(SPEC)(textured)
    assert len(spoiled) == len(SIDE_SHARES)
    for picture in spoiled:
        assert picture.shape == good.shape
        changed = (picture != good).any(axis=2).mean()
        assert 0 < changed < 0.1


def test_a_defect_is_in_the_light_of_a_camera_of_12_bits(textured: Path, tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"depth": "12"})
    deep = tmp_path / "deep.png"
    levels = cv2.imread(str(textured))
    assert levels is not None
    cv2.imwrite(str(deep), levels.astype(np.uint16) << 4)
    good = read_model_input(deep, spec)
    spoiled = reader_with_defects(spec)(deep)
    assert spoiled
    for picture in spoiled:
        assert (picture != good).any(axis=2).mean() < 0.1


def test_a_picture_gets_the_same_defects_under_any_name(textured: Path, tmp_path: Path) -> None:
    other = tmp_path / "b.png"
    other.write_bytes(textured.read_bytes())
    read = reader_with_defects(SPEC)
    assert np.array_equal(read(textured), read(other))


def test_a_flat_picture_has_none_of_the_defects_that_would_not_show(tmp_path: Path) -> None:
    path = tmp_path / "flat.png"
    cv2.imwrite(str(path), np.full((64, 64, 3), 90, np.uint8))
    assert len(reader_with_defects(SPEC)(path)) <= len(SIDE_SHARES)
