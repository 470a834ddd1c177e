from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from takt.core.bundles.conformal import (
    calibrate,
    choose_alpha,
    conformal_rank,
    conformal_threshold,
    warning_of_ties,
)
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.bundles.witnesses import anomalous
from takt.core.errors import CalibrationError


def shuffled(count: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """1 … count in another order: the k-th smallest is k."""
    return np.random.default_rng(count).permutation(count).astype(np.float32) + 1


@pytest.mark.parametrize(
    ("count", "alpha", "rank"),
    [
        (99, 0.01, 99),
        (100, 0.01, 100),  # ⌈101 · 0.99⌉ = ⌈99.99⌉
        (199, 0.01, 198),
        (999, 0.001, 999),
        (19, 0.05, 19),
        (20, 0.05, 20),
        (39, 0.05, 38),
        (9, 0.1, 9),
        (1, 0.5, 1),
        (10, 0.5, 6),  # ⌈5.5⌉
        (4, 0.9, 1),  # ⌈0.5⌉
    ],
)
def test_the_threshold_is_the_score_at_the_conformal_rank(
    count: int, alpha: float, rank: int
) -> None:
    assert conformal_rank(count, alpha) == rank
    assert conformal_threshold(shuffled(count), alpha) == rank


@pytest.mark.parametrize(
    ("alpha", "needed"),
    [(0.3, 3), (0.2, 4), (0.1, 9), (0.03, 33), (0.02, 49), (0.01, 99), (0.002, 499), (0.001, 999)],
)
def test_exactly_enough_pictures_give_their_highest_score(alpha: float, needed: int) -> None:
    assert conformal_rank(needed, alpha) == needed
    with pytest.raises(CalibrationError):
        conformal_rank(needed - 1, alpha)


@pytest.mark.parametrize(
    ("count", "alpha", "needed", "allowed"),
    [
        (98, 0.01, 99, "0.0102"),  # 1 / 99 = 0.010101…
        (53, 0.01, 99, "0.0186"),  # 1 / 54 = 0.018518…
        (18, 0.05, 19, "0.0527"),  # 1 / 19 = 0.052631…
        (9, 0.03, 33, "0.1"),
        (1, 0.3, 3, "0.5"),
    ],
)
def test_too_few_pictures_are_refused_with_what_would_do(
    count: int, alpha: float, needed: int, allowed: str
) -> None:
    with pytest.raises(CalibrationError) as refusal:
        conformal_threshold(shuffled(count), alpha)
    message = str(refusal.value)
    assert f"pictures: {count};" in message
    assert f"alpha {alpha:g} needs at least {needed};" in message
    assert f"an alpha of {allowed} or more" in message
    assert conformal_rank(needed, alpha) <= needed
    assert conformal_rank(count, float(allowed)) == count


def test_no_picture_gives_no_threshold() -> None:
    with pytest.raises(CalibrationError, match=r"pictures: 0; alpha 0\.1 needs at least 9$"):
        conformal_threshold(np.zeros(0, np.float32), 0.1)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_alpha_outside_0_to_1_is_refused(alpha: float) -> None:
    with pytest.raises(CalibrationError, match="between 0 and 1"):
        conformal_threshold(shuffled(10), alpha)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_refused(broken: float) -> None:
    scores = shuffled(30)
    scores[7] = broken
    with pytest.raises(CalibrationError, match="finite"):
        conformal_threshold(scores, 0.1)


@pytest.mark.parametrize("count", [99, 100, 5000])
def test_the_usual_alpha_is_taken_where_the_pictures_allow_it(count: int) -> None:
    chosen = choose_alpha(None, count)
    assert (chosen.value, chosen.notes) == (0.01, ())


@pytest.mark.parametrize("count", [*range(19, 99)])
def test_of_fewer_the_second_highest_score_is_the_threshold(count: int) -> None:
    chosen = choose_alpha(None, count)
    assert conformal_rank(count, chosen.value) == count - 1
    assert 2 / (count + 1) <= chosen.value < 1.01 * 2 / (count + 1)
    (note,) = chosen.notes
    assert note.startswith(f"alpha is {chosen.value:g}, so that no single one of {count} good")
    assert note.endswith("0.01 needs 99")


@pytest.mark.parametrize("count", [*range(1, 19)])
def test_very_few_get_the_smallest_that_they_allow_with_a_word_about_it(count: int) -> None:
    chosen = choose_alpha(None, count)
    assert conformal_rank(count, chosen.value) == count
    assert 1 / (count + 1) <= chosen.value < 1.01 / (count + 1)
    (note,) = chosen.notes
    assert f"alpha is {chosen.value:g}, the smallest that" in note
    assert note.endswith("0.01 needs 99")


def test_an_alpha_that_was_asked_for_is_taken_or_refused_but_never_changed() -> None:
    assert choose_alpha(0.2, 98).value == 0.2
    with pytest.raises(CalibrationError, match=r"alpha 0\.01 needs at least 99; or ask for"):
        choose_alpha(0.01, 98)
    with pytest.raises(CalibrationError, match="pictures: 0"):
        choose_alpha(None, 0)


def test_scores_that_are_all_the_same_are_worth_a_warning() -> None:
    warning = warning_of_ties(np.full(3, 0.5, np.float32))
    assert warning is not None
    assert "all 3 good pictures score 0.5" in warning
    assert warning_of_ties(shuffled(3)) is None
    assert warning_of_ties(shuffled(1)) is None


def test_scores_and_peaks_that_rank_alike_get_the_threshold_of_each_alone() -> None:
    found = calibrate(shuffled(19), shuffled(19) * 10, 0.1)
    assert (found.image, found.pixel) == (18, 180)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("count", "alpha"), [(9, 0.1), (19, 0.1), (60, 0.2), (200, 0.01)])
def test_both_thresholds_together_reject_no_more_than_alpha_of_the_good_pictures(
    count: int, alpha: float, ties: bool
) -> None:
    rng = np.random.default_rng(count)
    allowed = count - conformal_rank(count, alpha)
    for _ in range(50):
        scores, peaks = rng.lognormal(size=(2, count)).astype(np.float32)
        if ties:
            scores, peaks = np.round(scores), np.round(2 * peaks)
        found = calibrate(scores, peaks, alpha)
        assert anomalous(found, scores, peaks).sum() <= allowed
        # The lowest rank with which that holds: one less in both rejects more.
        lower = [np.nextafter(one, np.float32(-1)) for one in (found.image, found.pixel)]
        below = ThresholdPair(
            *(
                float(values[values <= limit].max(initial=-1))
                for values, limit in zip((scores, peaks), lower, strict=True)
            )
        )
        assert anomalous(below, scores, peaks).sum() > allowed


def test_thresholds_of_score_and_map_are_of_one_rank() -> None:
    rng = np.random.default_rng(0)
    scores, peaks = rng.lognormal(size=(2, 50)).astype(np.float32)
    found = calibrate(scores, peaks, 0.1)
    rank = int((scores <= found.image).sum())
    assert rank == (peaks <= found.pixel).sum() > conformal_rank(50, 0.1)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_further_picture_exceeds_either_at_most_as_often_as_is_proven(count: int) -> None:
    # Each order of peaks against scores, and each picture once as the further one.
    scores = np.arange(count + 1, dtype=np.float32)
    for rank in range(1, count + 1):
        alpha = (count + 1.5 - rank) / (count + 1)
        assert conformal_rank(count, alpha) == rank
        for order in permutations(range(count + 1)):
            peaks, rejected = np.array(order, np.float32), 0
            for further in range(count + 1):
                others = scores != further
                found = calibrate(scores[others], peaks[others], alpha)
                rejected += bool(anomalous(found, scores, peaks)[further])
            assert rejected <= count + 2 - rank


def test_a_peak_that_is_not_finite_is_refused() -> None:
    with pytest.raises(CalibrationError, match="not a finite number"):
        calibrate(shuffled(19), np.full(19, np.nan, np.float32), 0.1)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("count", "alpha"), [(19, 0.05), (53, 0.1), (30, 0.2)])
def test_new_good_pictures_exceed_the_threshold_at_most_as_often_as_promised(
    count: int, alpha: float, ties: bool
) -> None:
    rng = np.random.default_rng(0)
    trials = 4000
    scores = rng.lognormal(size=(trials, count + 1)).astype(np.float32)
    if ties:
        scores = np.round(scores)
    exceeded = sum(row[-1] > conformal_threshold(row[:-1], alpha) for row in scores)
    deviation = np.sqrt(alpha * (1 - alpha) / trials)
    assert exceeded / trials <= alpha + 4 * deviation
    if not ties:  # and no more is given away than the granularity of n pictures costs
        assert exceeded / trials >= alpha - 1 / (count + 1) - 4 * deviation
