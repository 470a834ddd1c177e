from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from takt.core.bundles.conformal import Alpha, calibrate, conformal_rank, needed_for
from takt.core.bundles.levels import Scale
from takt.core.bundles.witnesses import anomalous
from takt.core.errors import CalibrationError
from takt_export.calibration.cross_conformal import (
    METHOD,
    TAIL_METHOD,
    OutOfFoldScores,
    cross_conformal,
    few_above,
    joint_thresholds,
    tail_level,
)
from tests.unit.export.calibration.test_outliers import SHAPES

Witnesses = tuple[NDArray[np.float32], NDArray[np.float32]]


def witnesses(draw: np.random.Generator, shape: str, count: int) -> Witnesses:
    """Scores and peaks of one shape: each is half what both have in common, of other units."""
    common, of_score, of_peak = (SHAPES[shape](draw, count) for _ in range(3))
    return (
        (common + 0.5 * of_score).astype(np.float32),
        (5 + 2 * common + 2 * of_peak).astype(np.float32),
    )


def scored(count: int, seed: int = 0) -> OutOfFoldScores:
    score, peak = witnesses(np.random.default_rng(seed), "gamma", count)
    digests = tuple(map(str, range(count)))
    cells = np.zeros((count, 4), np.float32)
    return OutOfFoldScores(digests, score, peak, 0.5, 5, cells, mean_of_three)


def mean_of_three(values: np.ndarray) -> float:
    return float(np.sort(values)[-3:].mean())


@pytest.mark.parametrize("shape", sorted(SHAPES))
@pytest.mark.parametrize(
    ("count", "alpha"),
    [(20, 0.05), (60, 0.05), (100, 0.01), (100, 0.05), (200, 0.01), (500, 0.01), (500, 0.05)],
)
def test_both_thresholds_together_reject_about_alpha(shape: str, count: int, alpha: float) -> None:
    draw = np.random.default_rng(0)
    rates = []
    for _ in range(400):
        limits = joint_thresholds(*witnesses(draw, shape, count), alpha)
        rates.append(anomalous(limits, *witnesses(draw, shape, 500)).mean())

    # Measured with standard errors of up to 0.06: the pictures' own order gives 1.00 to 1.06. The
    # shape of a tail costs more: 1.2 to 1.3 with 20 pictures, whose quantile is little known; and
    # down to 0.44 where the tail falls faster than exponentially.
    low, high = (0.35, 1.5) if few_above(count, alpha) else (0.93, 1.15)
    assert low * alpha < np.mean(rates) < high * alpha


def test_of_many_pictures_as_many_as_alpha_leaves_exceed_either_threshold() -> None:
    score, peak = witnesses(np.random.default_rng(0), "normal", 300)
    limits = joint_thresholds(score, peak, 0.05)
    # The picture whose level is the threshold may exceed it by rounding.
    assert 300 - conformal_rank(300, 0.05) <= anomalous(limits, score, peak).sum() <= 16


def test_both_witnesses_are_held_to_one_level() -> None:
    score, peak = witnesses(np.random.default_rng(0), "normal", 300)
    limits = joint_thresholds(score, peak, 0.05)
    levels = [
        (limit - Scale.of(values).start) / Scale.of(values).unit
        for limit, values in ((limits.image, score), (limits.pixel, peak))
    ]
    assert levels[0] == pytest.approx(levels[1])


@pytest.mark.parametrize(("count", "alpha"), [(40, 0.05), (300, 0.05)])
def test_units_of_the_witnesses_change_no_verdict(count: int, alpha: float) -> None:
    score, peak = witnesses(np.random.default_rng(1), "gamma", count)
    limits = joint_thresholds(score, peak, alpha)
    other = joint_thresholds(100 * score - 7, peak, alpha)
    assert other.image == pytest.approx(100 * limits.image - 7, rel=1e-4)
    assert other.pixel == pytest.approx(limits.pixel, rel=1e-4)


def test_one_odd_picture_of_few_does_not_make_the_threshold() -> None:
    draw = np.random.default_rng(0)
    score, peak = (draw.standard_normal(30).astype(np.float32) for _ in range(2))
    score[7] = 12

    limits = joint_thresholds(score, peak, 0.05)

    assert calibrate(score, peak, 0.05).image == 12
    assert limits.image < 6
    assert anomalous(limits, score, peak)[7]


def test_an_exponential_tail_gives_its_own_quantile() -> None:
    levels = np.random.default_rng(0).exponential(size=100_000)
    for alpha in (0.1, 0.01, 0.001):
        assert tail_level(levels, alpha) == pytest.approx(-np.log(alpha), rel=0.03)


def of_defects(draw: np.random.Generator, count: int) -> Witnesses:
    """Witnesses of defects, by two to four ranges of the good pictures' above these."""
    score, peak = witnesses(draw, "gamma", count)
    far = draw.uniform(8, 16, count).astype(np.float32)
    return score + far, peak + 2 * far


def with_outliers(draw: np.random.Generator, count: int) -> Witnesses:
    """Witnesses of pictures of which 19 in 20 are good and the others show defects."""
    parts = zip(
        witnesses(draw, "gamma", count - count // 20), of_defects(draw, count // 20), strict=True
    )
    score, peak = (np.concatenate(one) for one in parts)
    return score, peak


@pytest.mark.parametrize(("count", "alpha"), [(100, 0.05), (200, 0.01), (200, 0.05), (500, 0.05)])
def test_defects_among_the_good_pictures_hardly_move_the_thresholds(
    count: int, alpha: float
) -> None:
    draw = np.random.default_rng(0)
    found, rejected, found_by_rank = [], [], []
    for _ in range(100):
        score, peak = with_outliers(draw, count)
        limits, by_rank = (rule(score, peak, alpha) for rule in (joint_thresholds, calibrate))
        defects = of_defects(draw, 500)
        found.append(anomalous(limits, *defects).mean())
        found_by_rank.append(anomalous(by_rank, *defects).mean())
        rejected.append(anomalous(limits, *witnesses(draw, "gamma", 500)).mean())

    # By rank a threshold is near the highest good level at best: 0.82 to 0.91, and 0.23 at 1 %.
    assert np.mean(found) > (0.97 if alpha == 0.05 else 0.85)
    assert np.mean(found) > np.mean(found_by_rank) + 0.05
    assert 0.2 * alpha < np.mean(rejected) < 1.3 * alpha


def test_thresholds_are_those_of_the_pictures_without_the_outliers() -> None:
    draw = np.random.default_rng(0)
    good, defects = witnesses(draw, "gamma", 190), of_defects(draw, 10)
    score, peak = (np.concatenate(one) for one in zip(good, defects, strict=True))
    limits, known = joint_thresholds(score, peak, 0.05), joint_thresholds(*good, 0.05)
    # A few good pictures are left out with the defects, and the scales differ.
    assert limits.image == pytest.approx(known.image, rel=0.1)
    assert limits.pixel == pytest.approx(known.pixel, rel=0.1)


def test_a_rate_that_only_all_pictures_allow_has_thresholds_without_the_outliers() -> None:
    score, peak = with_outliers(np.random.default_rng(0), needed_for(0.01))
    limits = joint_thresholds(score, peak, 0.01)
    assert limits.image < calibrate(score, peak, 0.01).image


def test_a_rate_beyond_the_tail_is_read_off_the_pictures() -> None:
    assert tail_level(np.arange(11.0), 0.5) == 5.0


def test_pictures_that_are_all_alike_are_never_above_their_own_value() -> None:
    alike = np.full(50, 0.7, np.float32)
    assert joint_thresholds(alike, alike, 0.05) == calibrate(alike, alike, 0.05)


@pytest.mark.parametrize("count", [3, 4, 9, 19])
def test_the_fewest_pictures_have_finite_thresholds_within_or_near_their_scores(count: int) -> None:
    known = scored(count)
    limits = joint_thresholds(known.score, known.peak, 1 / (count + 1))
    assert known.score.min() < limits.image < 2 * known.score.max()
    assert known.peak.min() < limits.pixel < 2 * known.peak.max()


def test_manifest_and_card_say_how_the_thresholds_were_found() -> None:
    many, few = (cross_conformal(scored(count), Alpha(0.05)) for count in (200, 60))
    assert (many.method, few.method) == (METHOD, TAIL_METHOD)
    assert (many.promise, many.proven_rate) == ("measured", None)
    assert (many.alpha, many.good_count) == (0.05, 200)
    assert "200 good pictures in 5 folds" in many.notes[0]
    noted = cross_conformal(scored(60), Alpha(0.05, ("alpha was chosen",)))
    assert noted.notes[-1] == "alpha was chosen"


def test_the_manifest_says_that_outliers_were_left_out() -> None:
    score, peak = with_outliers(np.random.default_rng(0), 200)
    digests = tuple(map(str, range(200)))
    dirty = replace(scored(200), digests=digests, score=score, peak=peak)

    found, clean = (cross_conformal(one, Alpha(0.05)) for one in (dirty, scored(200)))

    assert found.good_count == 200
    assert found.notes[1].startswith("10 of them")
    assert len(clean.notes) == 1


def test_an_altered_picture_has_the_higher_value_of_each_cell() -> None:
    unseen = np.linspace(-1, 1, 300, dtype=np.float32)
    known = replace(scored(2), cells=np.stack([unseen - 5, unseen]))
    served = np.full(300, -3, np.float32)
    served[:3] = 8, 7, 9

    assert known.altered("1", np.full(300, -3, np.float32))[1] == 1
    # By the model's own score, and the highest.
    assert known.altered("1", served) == (8, 9)


def test_too_few_scores_for_alpha_are_refused() -> None:
    assert needed_for(0.01) == 99
    known = scored(98)
    with pytest.raises(CalibrationError, match="needs at least 99"):
        joint_thresholds(known.score, known.peak, 0.01)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_refused(value: float) -> None:
    known = scored(50)
    known.score[3] = value
    with pytest.raises(CalibrationError, match="not a finite number"):
        joint_thresholds(known.score, known.peak, 0.05)
