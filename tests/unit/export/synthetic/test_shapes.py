from __future__ import annotations

import numpy as np
import pytest

from takt_export.synthetic.part_mask import PartMask
from takt_export.synthetic.shapes import paint_bare, paint_bend, paint_hole
from takt_export.synthetic.sized import SHAPE_KINDS, ShapeKind, make_defect


def striped(height: int = 120, width: int = 120) -> np.ndarray:
    """Stripes of 8 pixels, 60 and 200, in grey."""
    stripes = np.where(np.arange(width) // 8 % 2, 200, 60).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(stripes[None, :, None], (height, width, 3)))


def whole(picture: np.ndarray) -> PartMask:
    return PartMask(np.ones(picture.shape[:2], bool))


@pytest.mark.parametrize("kind", SHAPE_KINDS)
@pytest.mark.parametrize("side_px", [6, 12, 40])
def test_a_shape_changes_about_its_area_and_a_quarter_visibly(
    kind: ShapeKind, side_px: int
) -> None:
    picture = striped()
    before = picture.copy()
    for seed in range(3):
        made = make_defect(picture, kind, side_px, whole(picture), np.random.default_rng(seed))
        assert made is not None
        assert 0.25 * side_px**2 <= made.changed.sum() <= 4 * side_px**2
        assert np.array_equal(picture, before)


@pytest.mark.parametrize("kind", SHAPE_KINDS)
def test_the_same_seed_makes_the_same_shape_and_another_seed_another(kind: ShapeKind) -> None:
    picture = striped()
    first, again, other = (
        make_defect(picture, kind, 20, whole(picture), np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert first is not None
    assert again is not None
    assert other is not None
    assert np.array_equal(first.picture, again.picture)
    assert not np.array_equal(first.picture, other.picture)


@pytest.mark.parametrize("kind", SHAPE_KINDS)
def test_shapes_of_any_size_fit_any_picture(kind: ShapeKind) -> None:
    for height, width in ((1, 1), (9, 150), (700, 30)):
        picture = striped(height, width)
        made = make_defect(picture, kind, 64, whole(picture), np.random.default_rng(0))
        assert made is None or made.picture.shape == picture.shape


def test_a_hole_shows_what_lies_beside_the_part() -> None:
    picture = np.full((100, 100, 3), 200, np.uint8)
    picture[:, :30] = (10, 20, 30)
    part = PartMask(np.broadcast_to(np.arange(100) >= 30, (100, 100)))
    rng = np.random.default_rng(0)
    for _ in range(5):
        shown = (paint_hole(picture, 20, part, rng) == (10, 20, 30)).all(axis=2)
        assert shown[:, 30:].any()


def test_a_hole_in_a_part_that_fills_the_picture_is_dark_or_bright() -> None:
    picture = striped()
    rng = np.random.default_rng(0)
    means = [int(paint_hole(picture, 40, whole(picture), rng).mean()) for _ in range(12)]
    assert min(means) < picture.mean() - 2
    assert max(means) > picture.mean() + 2


def test_a_bare_place_loses_structure_and_keeps_a_colour_of_the_picture() -> None:
    picture = striped()
    altered = paint_bare(picture, 40, whole(picture), np.random.default_rng(0))
    assert altered.std() < picture.std()
    assert altered.min() >= 60
    assert altered.max() <= 200


def test_a_bend_moves_the_part_and_makes_no_new_colours() -> None:
    picture = striped()
    altered = paint_bend(picture, 30, whole(picture), np.random.default_rng(1))
    assert (altered != picture).any()
    assert altered.min() >= 60
    assert altered.max() <= 200


@pytest.mark.parametrize("kind", SHAPE_KINDS)
def test_no_shape_shows_on_a_plain_picture(kind: ShapeKind) -> None:
    plain = np.full((50, 50, 3), 90, np.uint8)
    assert make_defect(plain, kind, 8, whole(plain), np.random.default_rng(0)) is None
