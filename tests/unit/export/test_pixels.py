from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from export.pixels import PixelRanking, mask_on_map
from service.bundle import Crop, Preprocess
from service.placement import Placement, placement


def whole(width: int, height: int) -> Placement:
    """A model that sees all of a picture."""
    return placement(Preprocess(width=32, height=32, resize="area"), width, height)


def test_the_pixel_auroc_agrees_with_scikit_learn_s() -> None:
    rng = np.random.default_rng(0)
    ranking, values, labels = PixelRanking(), [], []
    for _ in range(5):
        mask = rng.random((64, 64)) < 0.02
        anomaly_map = (0.02 * rng.normal(size=(64, 64)) + 0.03 * mask).astype(np.float32)
        ranking.add(anomaly_map, mask)
        values.append(anomaly_map.ravel())
        labels.append(mask.ravel())
    exact = roc_auc_score(np.concatenate(labels), np.concatenate(values))
    assert 0.7 < exact < 0.9
    assert ranking.auroc == pytest.approx(exact, abs=1e-5)


def test_negative_values_rank_below_positive_ones_and_zeros_tie() -> None:
    ranking = PixelRanking()
    values = np.array([[-2.0, -1.0, -0.0, 0.0, 1.0]], np.float32)
    ranking.add(values, np.array([[False, True, False, True, False]]))
    # -1 beats -2; 0 beats -2 and ties with -0.
    assert ranking.auroc == pytest.approx((1 + 1.5) / 6)


def test_a_ranking_of_one_kind_of_cell_has_no_auroc() -> None:
    ranking = PixelRanking()
    ranking.add(np.ones((2, 2), np.float32), np.zeros((2, 2), np.bool_))
    assert ranking.auroc is None


@pytest.mark.parametrize(
    ("pixel", "cells"),
    [
        ((0, 0), [(0, 0)]),
        ((3, 5), [(1, 2)]),
        ((1, 2), [(0, 1)]),
    ],
)
def test_a_pixel_marks_the_cell_that_holds_it(
    pixel: tuple[int, int], cells: list[tuple[int, int]]
) -> None:
    mask = np.zeros((4, 6), np.bool_)
    mask[pixel] = True
    found = mask_on_map(mask, whole(6, 4), (2, 3))
    assert [tuple(cell) for cell in np.argwhere(found).tolist()] == cells


def test_a_pixel_across_two_cells_marks_both() -> None:
    mask = np.array([[False, True, False]])
    assert mask_on_map(mask, whole(3, 1), (1, 2)).tolist() == [[True, True]]


def test_a_map_finer_than_the_picture_is_marked_all_over_the_pixel() -> None:
    mask = np.array([[False, True]])
    expected = [[False, False, True, True]] * 2
    assert mask_on_map(mask, whole(2, 1), (2, 4)).tolist() == expected


def test_a_mask_outside_the_inspected_part_is_not_counted() -> None:
    mask = np.zeros((4, 4), np.bool_)
    mask[0, :] = True
    crop = Crop(x=0, y=1, width=4, height=3)
    below = placement(Preprocess(width=4, height=4, resize="area", crop=crop), 4, 4)
    assert not mask_on_map(mask, below, (3, 4)).any()
    mask[1, 2] = True
    assert np.argwhere(mask_on_map(mask, below, (3, 4))).tolist() == [[0, 2]]


def test_with_a_crop_a_pixel_marks_every_cell_that_overlaps_it_exactly() -> None:
    crop = Crop(x=28, y=28, width=392, height=392)
    spec = Preprocess(width=448, height=448, resize="area", crop=crop)
    size, cells = 600, 28
    edges = [(28 + Fraction(392 * k, cells)) / 448 * size for k in range(cells + 1)]
    placed = placement(spec, size, size)
    for pixel in range(size):
        mask = np.zeros((size, size), np.bool_)
        mask[pixel, 300] = True
        marked = mask_on_map(mask, placed, (cells, cells)).any(axis=1)
        overlaps = [edges[k] < pixel + 1 and edges[k + 1] > pixel for k in range(cells)]
        assert marked.tolist() == overlaps
