"""What pictures are worth as evidence."""

from __future__ import annotations

import numpy as np
import pytest

from takt.watching.bands import Band, band_of
from takt.watching.bets import Shift, shifted, worth_of


def a_band(values: np.ndarray) -> Band:
    band = band_of(values, 24, 0.02)
    assert band is not None
    return band


TIED = np.append(np.zeros(150), np.arange(1.0, 51))
BANDS = {
    "60 values": a_band(np.arange(60.0)),
    "400 values": a_band(np.arange(400.0)),
    "ties": a_band(TIED),
    "a constant": a_band(np.ones(100)),
}


@pytest.mark.parametrize("name", BANDS)
def test_no_bet_gains_on_average_whatever_the_band_allows(
    name: str, rng: np.random.Generator
) -> None:
    band = BANDS[name]
    worth = worth_of(band)

    for _ in range(200):
        # Any shares beyond the levels that are within their bounds, and fall.
        share = np.maximum.accumulate((band.most * rng.random(len(band.most)))[::-1])[::-1]
        share = np.minimum(share, band.most)
        between = -np.diff(share, prepend=1.0, append=0.0)
        assert (worth @ between <= 1 + 1e-9).all()
    allowed = -np.diff(band.most, prepend=1.0, append=0.0)
    placed = worth[:, 0] > 0
    assert placed.sum() >= 2
    assert worth[placed] @ allowed == pytest.approx(np.ones(int(placed.sum())))


@pytest.mark.parametrize("name", BANDS)
def test_a_picture_further_out_is_never_worth_less(name: str) -> None:
    worth = worth_of(BANDS[name])

    assert (np.diff(worth, axis=1) >= 0).all()
    assert ((worth > 0).all(axis=1) | (worth == 0).all(axis=1)).all()


@pytest.mark.parametrize("name", BANDS)
def test_a_bet_that_hardly_loses_while_nothing_has_changed_is_left_out(name: str) -> None:
    band = BANDS[name]
    usual = -np.diff(band.usual, prepend=1.0, append=0.0)

    assert (worth_of(band) @ usual < 0.99).all()


def test_a_shift_is_on_the_scale_of_the_calibrations_own_quantiles() -> None:
    usual = np.array([0.5, 0.05])

    assert shifted(usual, Shift(0)) == pytest.approx(usual)
    assert shifted(usual, Shift(1)) == pytest.approx([0.8413, 0.2595], abs=1e-4)
    assert shifted(usual, Shift(1, 0.5)) == pytest.approx([0.6707, 0.1548], abs=1e-4)
