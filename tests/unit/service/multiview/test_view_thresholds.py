"""Thresholds of a part's views: each of n has its share of α, or the recipe is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from service.core.bundles.bundle import Calibration
from service.core.errors import TooFewPicturesError
from service.multiview.view_thresholds import thresholds_of_view

NONE = np.zeros(0, np.float32)


def bundle_of(make_bundle, count: int):
    good = np.arange(1, count + 1, dtype=np.float32)
    return replace(make_bundle(), calibration=Calibration(good, good, NONE, NONE))


@pytest.mark.parametrize(("views", "image"), [(1, 180.0), (2, 190.0), (4, 195.0)])
def test_each_view_is_judged_at_its_share(make_bundle, views: int, image: float) -> None:
    found = thresholds_of_view(bundle_of(make_bundle, 199), 0.1, views)
    assert (found.image, found.pixel) == (image, image)
    assert (found.alpha, found.good_count) == (0.1 / views, 199)


@pytest.mark.parametrize(("views", "needed"), [(1, 99), (2, 199), (4, 399)])
def test_fewer_pictures_than_the_share_needs_are_refused_and_as_many_are_enough(
    make_bundle, views: int, needed: int
) -> None:
    bundle = bundle_of(make_bundle, needed)
    assert thresholds_of_view(bundle, 0.01, views).image == needed
    good = np.arange(needed - 1, dtype=np.float32)
    fewer = replace(bundle, calibration=Calibration(good, good, NONE, NONE))
    with pytest.raises(TooFewPicturesError, match=f"needs {needed};"):
        thresholds_of_view(fewer, 0.01, views)


def test_without_good_pictures_fewer_views_or_thresholds_by_hand_are_the_way(make_bundle) -> None:
    with pytest.raises(TooFewPicturesError, match="fewer views, or set"):
        thresholds_of_view(bundle_of(make_bundle, 0), 0.01, 2)


def test_score_and_peak_together_reject_no_more_than_the_view_s_share(make_bundle) -> None:
    """A bundle's own thresholds would reject near twice as much where both say different things."""
    rng, bundle, rates = np.random.default_rng(0), make_bundle(), []
    for _ in range(300):
        score, peak = rng.normal(size=(2, 199)).astype(np.float32)
        calibrated = replace(bundle, calibration=Calibration(score, peak, NONE, NONE))
        found = thresholds_of_view(calibrated, 0.02, 4)
        more = rng.normal(size=(2, 2000))
        rates.append(float(((more[0] > found.image) | (more[1] > found.pixel)).mean()))
    assert 0.004 < np.mean(rates) < 0.006


def test_good_pictures_that_are_all_alike_have_a_threshold_all_the_same(make_bundle) -> None:
    alike = np.full(99, 0.25, np.float32)
    bundle = replace(make_bundle(), calibration=Calibration(alike, alike, NONE, NONE))
    found = thresholds_of_view(bundle, 0.01, 1)
    assert (found.image, found.pixel) == (0.25, 0.25)
