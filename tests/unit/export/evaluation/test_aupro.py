from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from takt_export.evaluation.aupro import PixelCounts, PixelMetrics
from takt_export.evaluation.pixels import ComparedPixels


def counted(maps: NDArray[np.float32], masks: NDArray[np.bool_]) -> PixelCounts:
    counts = PixelCounts()
    for anomaly_map, mask in zip(maps, masks, strict=True):
        counts.add(ComparedPixels(anomaly_map, mask, ~mask, 0))
    return counts


def figures(maps: NDArray[np.float32], masks: NDArray[np.bool_]) -> PixelMetrics:
    found = counted(maps, masks).metrics()
    assert found is not None
    return found


def regions_of(mask: NDArray[np.bool_]) -> list[list[tuple[int, int]]]:
    """The pixels of each region, by walking from neighbour to neighbour, corners included."""
    left = {(int(row), int(column)) for row, column in np.argwhere(mask)}
    regions = []
    while left:
        region, edge = [], [left.pop()]
        while edge:
            row, column = edge.pop()
            region.append((row, column))
            around = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= around
            edge += around
        regions.append(region)
    return regions


def plain_aupro(maps: NDArray[np.float32], masks: NDArray[np.bool_], limit: float) -> float:
    """From the definition, one threshold after another."""
    regions = [
        (picture, region) for picture, mask in enumerate(masks) for region in regions_of(mask)
    ]
    curve = [(0.0, 0.0)]
    for threshold in sorted(set(maps.ravel().tolist()), reverse=True):
        above = maps >= threshold
        overlaps = [
            sum(bool(above[picture][at]) for at in region) / len(region)
            for picture, region in regions
        ]
        curve.append((float(above[~masks].mean()), sum(overlaps) / len(overlaps)))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(curve):
        if x0 < limit and x1 > x0:
            end = min(x1, limit)
            y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
            area += (end - x0) * (y0 + y_end) / 2
    return area / limit


def pictures(seed: int, steps: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Six pictures with regions of many sizes; map values of few or of many different levels."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((6, 24, 32), np.bool_)
    for mask in masks[:4]:
        for _ in range(4):
            row, column, size = rng.integers(0, 20, 3)
            mask[row : row + 1 + size // 4, column : column + 1 + size // 3] = True
    blurred = 0.4 * masks + rng.normal(size=masks.shape) * 0.3
    # Whole steps, so that no two values tie in their leading bits only.
    return (np.rint(blurred * steps) / steps).astype(np.float32), masks


@pytest.mark.parametrize("limit", [0.3, 0.05])
@pytest.mark.parametrize(("seed", "steps"), [(0, 64), (1, 64), (2, 3)])
def test_the_aupro_is_that_of_the_definition(seed: int, steps: int, limit: float) -> None:
    maps, masks = pictures(seed, steps)
    found = figures(maps, masks)
    expected = plain_aupro(maps, masks, limit)
    assert 0.02 < expected < 0.9
    assert {0.3: found.aupro_30, 0.05: found.aupro_5}[limit] == pytest.approx(expected, abs=1e-9)
    assert found.regions == sum(len(regions_of(mask)) for mask in masks)


def test_a_perfect_map_has_an_aupro_of_one() -> None:
    _, masks = pictures(0, 64)
    found = figures(masks.astype(np.float32), masks)
    assert (found.aupro_30, found.aupro_5) == (1, 1)


def test_a_map_that_says_nothing_has_half_the_limit() -> None:
    # All pixels tie: the curve is the diagonal, whose area up to l is l²/2.
    _, masks = pictures(0, 64)
    found = figures(np.zeros(masks.shape, np.float32), masks)
    assert found.aupro_30 == pytest.approx(0.15)
    assert found.aupro_5 == pytest.approx(0.025)


def test_each_region_weighs_the_same_whatever_its_size() -> None:
    mask = np.zeros((1, 20, 20), np.bool_)
    mask[0, :10, :10] = True
    mask[0, 15, 15] = True
    found_large, found_small = np.zeros((2, 1, 20, 20), np.float32)
    found_large[0, :10, :10] = found_small[0, 15, 15] = 1
    # One of two regions at no false positive, and then all at once with every other pixel.
    expected = 0.5 + 0.5 * 0.15
    assert figures(found_large, mask).aupro_30 == pytest.approx(expected)
    assert figures(found_small, mask).aupro_30 == pytest.approx(expected)


def test_pixels_that_touch_at_a_corner_are_one_region() -> None:
    assert figures(np.zeros((1, 6, 6), np.float32), np.eye(6, dtype=np.bool_)[None]).regions == 1


def test_auroc_and_average_precision_agree_with_scikit_learn_s() -> None:
    maps, masks = pictures(3, 1 << 20)
    found = figures(maps, masks)
    exact = roc_auc_score(masks.ravel(), maps.ravel())
    assert 0.6 < exact < 0.95
    assert found.auroc == pytest.approx(exact, abs=1e-5)
    expected = average_precision_score(masks.ravel(), maps.ravel())
    assert found.average_precision == pytest.approx(expected, abs=1e-4)


def test_negative_values_rank_below_positive_ones_and_zeros_tie() -> None:
    values = np.array([[[-2.0, -1.0, -0.0, 0.0, 1.0]]], np.float32)
    found = figures(values, np.array([[[False, True, False, True, False]]]))
    # -1 beats -2; 0 beats -2 and ties with -0.
    assert found.auroc == pytest.approx((1 + 1.5) / 6)


@pytest.mark.parametrize("defective", [False, True])
def test_one_kind_of_pixel_has_no_figures(defective: bool) -> None:
    masks = np.full((1, 2, 2), defective)
    assert counted(np.ones((1, 2, 2), np.float32), masks).metrics() is None


def test_counts_add_up_to_those_of_all_pictures() -> None:
    maps, masks = pictures(4, 64)
    parts = [counted(maps[:2], masks[:2]), counted(maps[2:], masks[2:])]
    assert PixelCounts.total(parts).metrics() == figures(maps, masks)


@pytest.mark.parametrize("limit", [0.3, 0.05])
def test_the_aupro_agrees_with_scikit_learn_s_partial_area(limit: float) -> None:
    maps, masks = pictures(0, 64)
    found = figures(maps, masks)
    weights = np.ones(masks.shape)
    for picture, mask in enumerate(masks):
        for region in regions_of(mask):
            for at in region:
                weights[picture][at] = 1 / len(region)
    standardised = roc_auc_score(
        masks.ravel(), maps.ravel(), sample_weight=weights.ravel(), max_fpr=limit
    )
    # McClish's scale: 0.5 for the diagonal's area, 1 for the whole.
    diagonal = limit**2 / 2
    expected = diagonal + (2 * standardised - 1) * (limit - diagonal)
    ours = {0.3: found.aupro_30, 0.05: found.aupro_5}[limit]
    assert ours == pytest.approx(expected / limit, rel=1e-12)
