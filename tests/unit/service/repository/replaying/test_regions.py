"""Regions of two maps that differ by rounding, or by more."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from takt.core.bundles.manifest import Preprocess
from takt.core.domain import Box, Region
from takt.core.pictures.placement import placement
from takt.core.pictures.postprocess import Criteria, judge
from takt.repository.replaying.regions import largest_difference, lie_between, same_places

SIDE = 24
TOLERANCE = 1e-3
MOST = 8
PLACED = placement(Preprocess(width=SIDE, height=SIDE, resize="area"), 10 * SIDE, 10 * SIDE)
NONE = np.zeros(0, np.float32)


def regions(anomaly_map: NDArray[np.float32], threshold: float) -> tuple[Region, ...]:
    criteria = Criteria(threshold=0.5, pixel_threshold=threshold)
    return judge(0.0, anomaly_map, PLACED, criteria, NONE, MOST).regions


def agree(recorded: NDArray[np.float32], other: NDArray[np.float32], threshold: float) -> bool:
    low, high = (regions(other, threshold + moved) for moved in (-TOLERANCE, TOLERANCE))
    return lie_between(regions(recorded, threshold), low, high, TOLERANCE, MOST)


@pytest.mark.parametrize("seed", range(20))
def test_rounding_never_makes_other_regions(seed: int) -> None:
    """However many cells lie at the threshold itself, and however regions merge and are cut off."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 4, (SIDE, SIDE)) / 4
    anomaly_map = levels.astype(np.float32)
    noise = rng.uniform(-TOLERANCE, TOLERANCE, (SIDE, SIDE)) * 0.99
    moved = (levels + noise).astype(np.float32)
    threshold = float(rng.integers(1, 4) / 4)
    assert agree(anomaly_map, moved, threshold)
    assert agree(moved, anomaly_map, threshold)


@pytest.mark.parametrize("change", ["gone", "new", "moved", "weaker", "smaller"])
def test_other_regions_are_found(change: str) -> None:
    anomaly_map = np.zeros((SIDE, SIDE), np.float32)
    anomaly_map[4:8, 4:8] = 0.8
    other = anomaly_map.copy()
    if change == "gone":
        other[:] = 0
    elif change == "new":
        other[15:18, 15:18] = 0.7
    elif change == "moved":
        other = np.roll(anomaly_map, 1, axis=0)
    elif change == "weaker":
        other[4:8, 4:8] = 0.8 - 3 * TOLERANCE
    else:
        other[4, 4:8] = 0
    assert agree(anomaly_map, anomaly_map, 0.5)
    assert not agree(anomaly_map, other, 0.5)


def test_peaks_are_compared_where_regions_lie_the_same() -> None:
    one, two = Region(Box(0, 0, 4, 4), 12, 0.5), Region(Box(8, 8, 2, 2), 4, 0.25)
    moved = Region(Box(8, 8, 2, 2), 4, 0.375)
    assert same_places([one, two], [moved, one])
    assert largest_difference([one, two], [moved, one]) == 0.125
    assert not same_places([one], [one, two])
    assert largest_difference([one], [two]) is None
