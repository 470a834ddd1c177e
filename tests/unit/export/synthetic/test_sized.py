from __future__ import annotations

import numpy as np
import pytest

from takt_export.synthetic.defects import KINDS, VISIBLE_LEVELS, DefectKind
from takt_export.synthetic.part_mask import PartMask
from takt_export.synthetic.sized import make_defect


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def whole(picture: np.ndarray) -> PartMask:
    return PartMask(np.ones(picture.shape[:2], bool))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side_px", [6, 12, 40])
def test_a_defect_covers_about_the_square_of_its_side(kind: DefectKind, side_px: int) -> None:
    picture = noise(160, 200)
    for seed in range(3):
        made = make_defect(picture, kind, side_px, whole(picture), np.random.default_rng(seed))
        assert made is not None
        assert 0.5 * side_px**2 <= made.changed.sum() <= 1.3 * side_px**2


@pytest.mark.parametrize("kind", KINDS)
def test_half_of_a_defect_changes_visibly_and_nothing_else_changes(kind: DefectKind) -> None:
    picture = noise(100, 100)
    before = picture.copy()
    made = make_defect(picture, kind, 20, whole(picture), np.random.default_rng(3))
    assert made is not None
    difference = np.abs(made.picture.astype(int) - picture).max(axis=2)
    assert (difference >= VISIBLE_LEVELS).sum() >= 0.5 * 20**2
    assert np.array_equal(difference > 0, made.changed)
    assert np.array_equal(picture, before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_larger_than_the_picture_is_cut_to_it(kind: DefectKind) -> None:
    picture = noise(9, 150)
    made = make_defect(picture, kind, 16, whole(picture), np.random.default_rng(0))
    assert made is None or made.picture.shape == picture.shape


def test_a_defect_lies_on_the_part() -> None:
    picture = noise(120, 120)
    left = np.zeros((120, 120), bool)
    left[:, :60] = True
    for seed in range(5):
        made = make_defect(picture, "perlin", 10, PartMask(left), np.random.default_rng(seed))
        assert made is not None
        assert not made.changed[:, 60:].any()


def test_the_same_seed_makes_the_same_defect() -> None:
    picture = noise(80, 90)
    first, again = (
        make_defect(picture, "scar", 12, whole(picture), np.random.default_rng(7)) for _ in range(2)
    )
    assert first is not None
    assert again is not None
    assert np.array_equal(first.picture, again.picture)


def test_a_black_picture_lends_itself_no_visible_patch() -> None:
    black = np.zeros((50, 50, 3), np.uint8)
    assert make_defect(black, "cutpaste", 8, whole(black), np.random.default_rng(0)) is None
