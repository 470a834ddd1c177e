from __future__ import annotations

import cv2
import numpy as np
import pytest

from takt_export.synthetic.defects import (
    KINDS,
    DefectKind,
    cut_paste,
    cut_paste_scar,
    defect_of,
    jittered,
)
from takt_export.synthetic.part_mask import PartMask


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def changed(picture: np.ndarray, altered: np.ndarray) -> np.ndarray:
    """The pixels that differ in any channel."""
    return (picture != altered).any(axis=2)


def whole(picture: np.ndarray) -> PartMask:
    return PartMask(np.ones(picture.shape[:2], bool))


def box_of(mask: np.ndarray) -> tuple[int, int]:
    """(height, width) of the smallest box around what changed."""
    _, _, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return height, width


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(64, 64), (1, 1), (5, 300), (301, 7)])
def test_a_defect_keeps_the_size_and_leaves_its_source_alone(
    kind: DefectKind, size: tuple[int, int]
) -> None:
    picture = noise(*size)
    before = picture.copy()
    for seed in range(5):
        altered = defect_of(kind)(picture, whole(picture), np.random.default_rng(seed))
        assert altered.shape == picture.shape
        assert altered.dtype == np.uint8
        assert np.array_equal(picture, before)
        assert not np.shares_memory(picture, altered)


@pytest.mark.parametrize("kind", KINDS)
def test_a_generator_of_the_same_seed_makes_the_same_defect(kind: DefectKind) -> None:
    picture = noise(90, 120)
    first, again, other = (
        defect_of(kind)(picture, whole(picture), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", KINDS)
def test_defects_land_on_the_part(kind: DefectKind) -> None:
    picture = noise(128, 192)
    mask = np.zeros((128, 192), bool)
    mask[20:100, 90:180] = True
    inside = total = 0
    for seed in range(30):
        altered = defect_of(kind)(picture, PartMask(mask), np.random.default_rng(seed))
        different = changed(picture, altered)
        inside += int((different & mask).sum())
        total += int(different.sum())
    assert total > 0
    assert inside / total > 0.75


def test_a_patch_is_a_rectangle_of_the_paper_s_area_and_aspect() -> None:
    picture = noise(200, 300)
    aspects = []
    for seed in range(60):
        mask = changed(picture, cut_paste(picture, whole(picture), np.random.default_rng(seed)))
        height, width = box_of(mask)
        assert 0.018 < height * width / mask.size < 0.155
        assert mask.sum() > 0.97 * height * width
        aspects.append(width / height)
    assert 0.29 < min(aspects) < 0.5
    assert 2 < max(aspects) < 3.5


@pytest.mark.parametrize(("height", "width", "scale"), [(256, 256, 1), (1024, 1024, 4)])
def test_a_scar_is_thin_and_grows_with_the_picture(height: int, width: int, scale: float) -> None:
    picture = noise(height, width)
    turned = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        mask = changed(picture, cut_paste_scar(picture, whole(picture), rng))
        assert 15 * scale**2 < mask.sum() < 410 * scale**2
        high, wide = box_of(mask)
        assert max(high, wide) <= np.hypot(16, 25) * scale + 2
        turned += mask.sum() < 0.9 * high * wide
    assert turned > 5


def test_a_faint_texture_moves_pixels_towards_the_texture_only() -> None:
    picture = noise(120, 120)
    defect = defect_of("perlin")
    shares = []
    for seed in range(40):
        altered = defect(picture, whole(picture), np.random.default_rng(seed))
        mask = changed(picture, altered)
        shares.append(mask.mean())
        assert np.array_equal(altered[~mask], picture[~mask])
    assert 0 < np.mean(shares) < 0.4


def test_jitter_changes_colours_by_about_a_tenth() -> None:
    patch = np.full((4, 4, 3), (120, 100, 80), np.uint8)
    found = np.stack([jittered(patch, np.random.default_rng(seed)) for seed in range(200)])
    grey = found.mean(axis=(1, 2, 3))
    assert grey.std() > 0
    assert abs(grey - 100).max() < 25
    assert (found == found[:, :1, :1]).all()
    grey_patch = np.full((4, 4, 3), 100, np.uint8)
    coloured = jittered(grey_patch, np.random.default_rng(0))
    assert np.array_equal(coloured[..., 0], coloured[..., 2])
