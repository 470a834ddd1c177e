from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from takt_export.pictures import read_picture
from takt_export.synthetic.texture import CHANGES, procedural, shuffled, texture_for

WritePictures = Callable[..., list[Path]]


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (67, 45, 3), dtype=np.uint8)


def test_shuffling_keeps_the_pixels_and_moves_them() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    found = shuffled(picture, np.random.default_rng(1))
    assert (found != picture).any(axis=2).mean() > 0.8
    assert np.array_equal(
        np.sort(found.reshape(-1, 3), axis=0), np.sort(picture.reshape(-1, 3), axis=0)
    )


@pytest.mark.parametrize("make", [shuffled, procedural, *CHANGES])
@pytest.mark.parametrize("shape", [(67, 45), (1, 1), (3, 200)])
def test_every_texture_and_change_keeps_size_and_type(
    make: Callable[..., np.ndarray], shape: tuple[int, int]
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    before = picture.copy()
    found = make(picture, np.random.default_rng(2))
    assert found.shape == picture.shape
    assert found.dtype == np.uint8
    assert np.array_equal(picture, before)


@pytest.mark.parametrize("lent", [True, False])
def test_the_texture_of_a_grey_picture_is_grey(
    write_pictures: WritePictures, tmp_path: Path, picture: np.ndarray, lent: bool
) -> None:
    others = write_pictures(tmp_path / "other", 2) if lent else []
    grey = np.repeat(picture[..., :1], 3, axis=2)
    for seed in range(10):
        found = texture_for(grey, others, np.random.default_rng(seed))
        assert np.array_equal(found, np.repeat(found[..., :1], 3, axis=2))
    coloured = texture_for(picture, others, np.random.default_rng(0))
    assert (coloured[..., 0] != coloured[..., 1]).any()


def test_other_pictures_lend_their_texture(
    write_pictures: WritePictures,
    tmp_path: Path,
    picture: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (other,) = write_pictures(tmp_path / "other", 1, size=(45, 67))
    monkeypatch.setattr("takt_export.synthetic.texture.AUGMENTATIONS", 0)
    found = texture_for(picture, [other], np.random.default_rng(0))
    assert np.array_equal(found, read_picture(other))
