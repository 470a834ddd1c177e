from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from takt.core.bundles.conformal import conformal_threshold
from takt_export.calibration.odd_pictures import Rule, odd_pictures

RNG = np.random.default_rng(0)


def at(alpha: float) -> Rule:
    return partial(conformal_threshold, alpha=alpha)


def named(scores: np.ndarray) -> list[str | None]:
    return [f"{number}.png" for number in range(len(scores))]


def scores(*odd: float, others: int = 24) -> np.ndarray:
    return np.float32([*np.linspace(0.69, 0.77, others), *odd])


def test_a_picture_that_makes_the_threshold_alone_is_found() -> None:
    given = scores(1.016)
    found = odd_pictures(given, named(given), at(0.04))
    assert found is not None
    assert (found.names, found.count) == (("24.png",), 25)
    assert found.threshold == pytest.approx(1.016)
    assert found.without == pytest.approx(0.77)


def test_an_odd_picture_that_the_threshold_passes_over_is_named_too() -> None:
    given = scores(1.016)
    found = odd_pictures(given, named(given), at(0.08))
    assert found is not None
    assert found.names == ("24.png",)
    assert found.threshold < 1


def test_two_odd_pictures_are_found_together_the_highest_first() -> None:
    given = scores(0.95, 1.2, others=30)
    found = odd_pictures(given, named(given), at(0.07))
    assert found is not None
    assert found.names == ("31.png", "30.png")
    assert found.without == pytest.approx(0.77, abs=0.01)


@pytest.mark.parametrize("alpha", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("kind", ["normal", "lognormal"])
def test_scores_that_vary_as_they_do_have_no_odd_one(kind: str, alpha: float) -> None:
    drawn = getattr(RNG, kind)(0.0, 0.25, 200)
    assert odd_pictures(drawn.astype(np.float32), named(drawn), at(alpha)) is None


def test_several_that_hide_each_other_are_named() -> None:
    draw = np.random.default_rng(0)
    given = draw.normal(0.7, 0.05, 210).astype(np.float32)
    given[200:] = draw.uniform(0.86, 1.0, 10)

    found = odd_pictures(given, named(given), at(0.05))

    assert found is not None
    outliers = {f"{number}.png" for number in range(200, 210)}
    assert len(outliers & {*found.names}) >= 7
    assert len({*found.names} - outliers) <= 1
    assert found.without < found.threshold


def test_fewer_than_ten_scores_tell_nothing() -> None:
    given = scores(9.0, others=8)
    assert odd_pictures(given, named(given), at(0.1)) is None


def test_scores_that_are_all_the_same_have_no_odd_one() -> None:
    given = np.ones(20, np.float32)
    assert odd_pictures(given, named(given), at(0.05)) is None


def test_what_the_thresholds_leave_out_is_named_whatever_its_score() -> None:
    given = scores(1.016)
    left_out = np.zeros(25, np.bool_)
    left_out[3] = True
    found = odd_pictures(given, named(given), at(0.04), left_out)
    assert found is not None
    assert found.names == ("24.png", "3.png")
    assert found.left_out
