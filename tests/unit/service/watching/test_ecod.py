"""The score of ECOD, beside pyod's, and what it says of each fact."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.drift.tables import tables
from takt.watching.ecod import Ecod

BY_PYOD = json.loads((Path(__file__).parent / "ecod_by_pyod.json").read_text("utf-8"))["scores"]


@pytest.mark.parametrize("name", sorted(BY_PYOD))
def test_the_score_of_a_picture_joined_to_the_calibration_is_that_of_pyod(name: str) -> None:
    calibration, pictures = tables()[name]
    ecod = Ecod(calibration)

    scores = [ecod.score(one) for one in pictures]

    assert scores == pytest.approx(BY_PYOD[name], abs=1e-9)


def test_dimming_is_seen_where_the_skewness_looks_the_other_way() -> None:
    bright = np.random.default_rng(1).exponential(size=(99, 1)) + 5

    tails = Ecod(bright).explain(np.array([1.0]))

    assert tails.share[0] == pytest.approx(2 / 100)
    assert not tails.high[0]


def test_the_tail_of_a_middling_fact_is_all_of_them() -> None:
    tails = Ecod(np.arange(9.0)[:, None]).explain(np.array([4.0]))

    assert tails.share[0] == 1.0


def test_what_is_not_known_of_a_picture_adds_nothing() -> None:
    calibration = np.random.default_rng(2).normal(size=(50, 2))
    ecod = Ecod(calibration)

    known = Ecod(calibration[:, :1]).score(np.array([3.0]))

    assert ecod.score(np.array([3.0, np.nan])) == pytest.approx(known)
    assert ecod.explain(np.array([3.0, np.nan])).share[1] == 1.0


def test_what_is_not_known_of_a_calibrating_picture_is_left_out() -> None:
    calibration = np.random.default_rng(3).normal(size=(50, 1))
    gaps = np.vstack([calibration, np.full((7, 1), np.nan)])
    picture = np.array([1.5])

    assert Ecod(gaps).score(picture) == pytest.approx(Ecod(calibration).score(picture))
    assert Ecod(np.full((3, 1), np.nan)).score(picture) == 0.0
