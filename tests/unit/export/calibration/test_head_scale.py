import numpy as np
import pytest

from takt.core.bundles.conformal import Alpha
from takt.core.errors import CalibrationError
from takt_export.calibration.cross_conformal import (
    HeadLevels,
    OutOfFoldScores,
    cross_conformal,
    headed,
    joint_thresholds,
    scores_with_head,
)
from takt_export.calibration.head_scale import LOWERED_BY, MOST_RISEN, scale_of_head


def bank(count: int = 400) -> np.ndarray:
    return np.random.default_rng(0).exponential(size=count).astype(np.float32)


def test_a_head_that_says_nothing_leaves_the_thresholds_as_they_are() -> None:
    scores = bank()
    nothing = HeadLevels(np.full(400, -np.inf), scores, 2 * scores)
    for alpha in (0.01, 0.05):
        assert headed(nothing, alpha).pair == joint_thresholds(scores, 2 * scores, alpha)


def test_good_parts_are_rejected_at_the_rate_by_bank_and_head_together() -> None:
    rng = np.random.default_rng(1)
    rates = []
    for _ in range(40):
        scores = rng.exponential(size=600).astype(np.float32)
        level = scale_of_head(scores[::-1].copy(), scores, scores, 0.05).level(scores[::-1])
        half = slice(0, 300)
        pair = headed(HeadLevels(level[half], scores[half], scores[half]), 0.05).pair
        both = scores_with_head(_scores(scores), level)
        rates.append(np.mean(both.score[300:] > pair.image))
    assert 0.03 < np.mean(rates) < 0.07


def test_a_head_is_lowered_until_the_threshold_rises_no_further_than_it_may() -> None:
    scores = bank()
    # It says most of what the bank says least of, and has a heavy tail.
    heavy = np.square(scores[::-1].copy())
    scale = scale_of_head(heavy, scores, scores, 0.05)
    assert scale.lowered in LOWERED_BY[1:]
    alone = HeadLevels(np.full(400, -np.inf), scores, scores).level_at(0.05).value
    both = HeadLevels(scale.level(heavy), scores, scores).level_at(0.05).value
    assert both <= alone + MOST_RISEN


def test_a_picture_that_is_an_outlier_to_the_bank_stays_one_beside_a_head() -> None:
    scores = bank(300)
    scores[:6] = 60.0
    heavy = np.square(np.random.default_rng(3).exponential(size=300)) * 3
    found = headed(HeadLevels(heavy, scores, scores), 0.05)
    assert found.outliers >= 6


def test_the_thresholds_of_a_taught_model_rest_on_both() -> None:
    scores = bank()
    level = scores[::-1].astype(np.float64) + 1
    found = cross_conformal(scores_with_head(_scores(scores), level), Alpha(0.05))
    assert found.image > cross_conformal(_scores(scores), Alpha(0.05)).image
    assert found.image == headed(HeadLevels(level, scores, scores), 0.05).pair.image


def test_too_few_pictures_for_the_rate_are_refused() -> None:
    scores = bank(50)
    with pytest.raises(CalibrationError):
        scale_of_head(scores, scores, scores, 0.01)


def _scores(values: np.ndarray) -> OutOfFoldScores:
    digests = tuple(map(str, range(len(values))))
    return OutOfFoldScores(digests, values, values, 0.0, 10, values[:, None], _highest)


def _highest(values: np.ndarray) -> float:
    return float(values.max())
