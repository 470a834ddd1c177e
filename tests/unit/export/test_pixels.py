from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from export.pixels import PixelRanking, mask_on_map
from service.domain import Box


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
    found = mask_on_map(mask, Box(0, 0, 6, 4), (2, 3))
    assert [tuple(cell) for cell in np.argwhere(found).tolist()] == cells


def test_a_pixel_across_two_cells_marks_both() -> None:
    mask = np.array([[False, True, False]])
    assert mask_on_map(mask, Box(0, 0, 3, 1), (1, 2)).tolist() == [[True, True]]


def test_a_map_finer_than_the_picture_is_marked_all_over_the_pixel() -> None:
    mask = np.array([[False, True]])
    expected = [[False, False, True, True]] * 2
    assert mask_on_map(mask, Box(0, 0, 2, 1), (2, 4)).tolist() == expected


def test_a_mask_outside_the_inspected_part_is_not_counted() -> None:
    mask = np.zeros((4, 4), np.bool_)
    mask[0, :] = True
    assert not mask_on_map(mask, Box(0, 1, 4, 3), (3, 4)).any()
