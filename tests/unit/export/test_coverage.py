"""The guarantee itself: how often thresholds reject good pictures that they do not rest on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from takt.core.bundles.conformal import conformal_rank, conformal_threshold

DATA = Path(__file__).parents[2] / "data"
SPLITS = 200
ALPHAS = (0.01, 0.05, 0.1)

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Coverage:
    """False-reject rates over random splits of one pool.

    Attributes:
        alpha: that was asked for.
        exact: what they are on average over all splits, if no scores tie.
        mean: over the splits at hand.
        deviation: of one split's rate.
        standard_error: of the mean. Given the pool, splits are independent draws, so it is the
            deviation over the root of their number. It tells how well these splits stand for all
            splits of this pool; they share its pictures, and tell nothing of another pool.
    """

    alpha: float
    exact: float
    mean: float
    deviation: float
    standard_error: float


def read_scores(name: str) -> Scores:
    return np.loadtxt(DATA / name, skiprows=1, dtype=np.float32)


def coverage(pool: Scores, calibrated_on: int, alpha: float) -> Coverage:
    """Thresholds from `calibrated_on` scores at a time, counted on all the others."""
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(SPLITS):
        scores = rng.permutation(pool)
        threshold = conformal_threshold(scores[:calibrated_on], alpha)
        rates.append(float((scores[calibrated_on:] > threshold).mean()))
    deviation = float(np.std(rates, ddof=1))
    return Coverage(
        alpha=alpha,
        exact=1 - conformal_rank(calibrated_on, alpha) / (calibrated_on + 1),
        mean=float(np.mean(rates)),
        deviation=deviation,
        standard_error=deviation / SPLITS**0.5,
    )


@pytest.mark.parametrize(
    ("name", "pictures", "calibrated_on"),
    [("deeppcb_good_scores.csv", 900, 450), ("bsdata_good_scores.csv", 143, 100)],
)
def test_real_good_pictures_are_rejected_as_seldom_as_promised(
    name: str, pictures: int, calibrated_on: int, capsys: pytest.CaptureFixture[str]
) -> None:
    pool = read_scores(name)
    assert len(pool) == pictures
    found = [coverage(pool, calibrated_on, alpha) for alpha in ALPHAS]
    with capsys.disabled():
        print(f"\n{name}: {SPLITS} splits, {calibrated_on} of {pictures} calibrate, the rest count")
        print("alpha   falsely rejected   standard error   one split's deviation   exact mean")
        for one in found:
            print(
                f"{one.alpha:5.0%}   {one.mean:16.3%}   {one.standard_error:14.3%}   "
                f"{one.deviation:21.3%}   {one.exact:10.3%}"
            )
    for one in found:
        assert one.mean <= one.alpha + one.standard_error
        # And no more is given away than the granularity of so many pictures costs.
        assert one.mean >= one.exact - 3 * one.standard_error


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("count", [99, 100, 137, 199])
def test_of_n_and_one_pictures_exactly_as_many_as_promised_exceed_the_others_threshold(
    count: int, alpha: float
) -> None:
    """Exchangeable means that each is as likely to be the new one: so each is, in turn."""
    rng = np.random.default_rng(count)
    scores = rng.permutation(rng.lognormal(size=count + 1).astype(np.float32))
    assert len(set(scores.tolist())) == count + 1
    assert _exceeding(scores, alpha) == count + 1 - conformal_rank(count, alpha)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("places", [0, 1, 2])
def test_scores_that_tie_are_rejected_no_more_often(alpha: float, places: int) -> None:
    rng = np.random.default_rng(places)
    for _ in range(20):
        scores = np.round(rng.lognormal(size=138), places).astype(np.float32)
        assert len(set(scores.tolist())) < 138
        assert _exceeding(scores, alpha) <= alpha * 138


def test_scores_that_are_all_the_same_are_never_rejected() -> None:
    assert _exceeding(np.full(100, 0.5, np.float32), 0.01) == 0


def _exceeding(scores: Scores, alpha: float) -> int:
    """How many of the scores lie above the threshold of all the others."""
    return sum(
        bool(score > conformal_threshold(np.delete(scores, place), alpha))
        for place, score in enumerate(scores)
    )
