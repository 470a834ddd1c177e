"""The bounds of a calibration, beside simulated ones."""

from __future__ import annotations

import numpy as np
import pytest

from takt.watching.bands import FEWEST, band_of, bounds_of, ranks_of


def test_all_bounds_of_a_calibration_hold_at_once_with_their_confidence(
    rng: np.random.Generator,
) -> None:
    most = bounds_of(100, bands=2, usual_defects=0.0)
    values = np.sort(rng.random((4000, 2, 100)), axis=2)
    levels = values[:, :, 100 - ranks_of(100)]

    off = (1 - levels > most).any(axis=(1, 2))

    assert off.mean() <= 0.05


@pytest.mark.parametrize("count", [FEWEST, 60, 200, 5000])
def test_levels_go_outwards_to_the_highest_value(count: int) -> None:
    band = band_of(np.arange(count, dtype=np.float64), 10, 0.0)

    assert band is not None
    assert (np.diff(band.values) > 0).all()
    assert band.values[-1] == count - 1
    assert (band.most > band.usual).all()
    assert (np.diff(band.most) < 0).all()


def test_equal_levels_have_the_bound_of_the_outermost() -> None:
    band = band_of(np.append(np.zeros(190), np.arange(1.0, 11)), 10, 0.0)

    assert band is not None
    inner = band.values == 0
    assert inner.sum() >= 3
    assert len(set(band.most[inner])) == 1


def test_unknown_values_are_left_out() -> None:
    values = np.arange(100.0)
    gaps = np.append(values, np.full(50, np.nan))

    whole, found = band_of(values, 10, 0.02), band_of(gaps, 10, 0.02)

    assert whole is not None and found is not None
    assert found.values.tolist() == whole.values.tolist()
    assert found.most.tolist() == whole.most.tolist()


def test_too_few_known_values_say_nothing() -> None:
    values = np.append(np.arange(FEWEST - 1.0), [np.nan] * 50)

    assert band_of(values, 10, 0.0) is None


def test_usual_defects_may_be_beyond_every_level() -> None:
    without, with_some = bounds_of(200, 10, 0.0), bounds_of(200, 10, 0.03)

    assert (with_some - without >= 0.03 * (1 - without) - 1e-12).all()
