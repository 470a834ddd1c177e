from __future__ import annotations

import math

import numpy as np
import pytest

from export.calibration.cross_conformal import OutOfFoldScores, proven_rate
from service.bundles.calibration.conformal import conformal_rank, conformal_threshold
from service.errors import CalibrationError


def rate_of_nearest_neighbours(
    draw: np.random.Generator, count: int, folds: int, alpha: float
) -> float:
    """The share of further points above a cross-conformal threshold.

    A point's score is its distance to the nearest of the others, which only falls as points are
    added.
    """
    known = draw.standard_normal((count, 3))
    fold = np.arange(count) % folds
    distance = np.linalg.norm(known[:, None] - known[None], axis=-1)
    scores = np.where(fold[:, None] == fold[None], np.inf, distance).min(1).astype(np.float32)
    further = draw.standard_normal((500, 3))
    served = np.linalg.norm(further[:, None] - known[None], axis=-1).min(1)
    return float((served > conformal_threshold(scores, alpha)).mean())


@pytest.mark.parametrize(("count", "folds"), [(20, 20), (40, 5), (100, 5), (100, 2)])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_mean_rate_stays_below_what_is_proven_and_near_alpha(
    count: int, folds: int, alpha: float
) -> None:
    draw = np.random.default_rng(0)
    rates = [rate_of_nearest_neighbours(draw, count, folds, alpha) for _ in range(60)]

    assert np.mean(rates) <= proven_rate(alpha, count, folds)
    assert np.mean(rates) <= alpha + 0.02


@pytest.mark.parametrize("alpha", [0.01, 0.02, 0.05, 0.1])
@pytest.mark.parametrize("count", [100, 190, 1000])
@pytest.mark.parametrize("folds", [2, 5, 10])
def test_what_is_proven_lies_above_alpha_and_below_the_published_bounds(
    alpha: float, count: int, folds: int
) -> None:
    published = 2 * alpha + min(
        2 * (1 - alpha) * (folds - 1) / (count + folds), (1 - folds / count) / (folds + 1)
    )

    assert alpha - 1 / count <= proven_rate(alpha, count, folds) <= published + 1e-12


@pytest.mark.parametrize("count", [3, 10, 19])
def test_with_one_picture_a_fold_the_smallest_alpha_is_proven_itself(count: int) -> None:
    alpha = math.ceil(1e6 / (count + 1)) / 1e6

    assert conformal_rank(count, alpha) == count
    assert proven_rate(alpha, count, count) == pytest.approx(1 / (count + 1))


def test_with_one_picture_a_fold_at_most_twice_alpha_is_proven() -> None:
    assert proven_rate(0.05, 200, 200) < 0.1


def test_too_few_scores_for_alpha_are_refused() -> None:
    with pytest.raises(CalibrationError, match="needs at least 99"):
        proven_rate(0.01, 50, 5)


def power_mean(cells: np.ndarray, power: int = 8) -> float:
    return float((cells**power).mean() ** (1 / power))


def test_a_defect_on_a_known_picture_scores_as_on_one_that_is_not_known() -> None:
    draw = np.random.default_rng(0)
    served, unseen = draw.uniform(0.3, 0.5, 1000), draw.uniform(0.5, 0.7, 1000)
    score = np.float32([0.1, power_mean(unseen)])
    known = OutOfFoldScores(("a", "b"), score, score, 0.5, folds=2, power=8)
    defect = np.zeros(1000)
    defect[:30] = 1.0
    found = known.altered("b", power_mean(served), power_mean(np.maximum(served, defect)))
    assert found == pytest.approx(power_mean(np.maximum(unseen, defect)), rel=0.01)
    assert found > 1.05 * power_mean(unseen)


def test_what_changes_nothing_leaves_the_score_out_of_fold() -> None:
    score = np.float32([0.7])
    known = OutOfFoldScores(("a",), score, score, 0.5, folds=2, power=8)
    assert known.altered("a", served=0.5, altered=0.49) == pytest.approx(0.7)
