from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from takt.core.bundles.tradeoff import Costs, Counts, best_f1, count, least_cost

Scores = NDArray[np.float32]


def scores(*values: float) -> Scores:
    return np.array(values, np.float32)


def f1(counts: Counts) -> float:
    found = counts.defective - counts.missed
    return 2 * found / (2 * found + counts.rejected + counts.missed)


def mixed(seed: int) -> tuple[Scores, Scores]:
    """Scores with ties, among themselves and with each other."""
    rng = np.random.default_rng(seed)
    good, defects = rng.normal(0, 1, 40), rng.normal(1, 1, 25)
    return np.round(good, 1).astype(np.float32), np.round(defects, 1).astype(np.float32)


def test_a_score_at_the_threshold_is_good() -> None:
    assert count(2, scores(1, 2, 3), scores(2, 3)) == Counts(
        good=3, rejected=1, defective=2, missed=1
    )


def test_scores_are_compared_as_the_service_does_it() -> None:
    threshold = float(np.float32(0.3)) - 1e-12  # float32 would round it onto the score
    assert count(threshold, scores(0.3), scores()).rejected == 1


def test_pictures_that_can_be_told_apart_are_parted_half_way() -> None:
    good, defects = scores(0.1, 0.2), scores(0.6, 0.9)
    half = pytest.approx(0.4)
    assert best_f1(good, defects) == half
    assert least_cost(good, defects, Costs(1, 1, 0.5)) == half


@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_has_a_higher_f1_or_a_lower_cost(seed: int) -> None:
    good, defects = mixed(seed)
    costs = Costs(miss=20, reject=1, prevalence=0.05)
    of_f1 = count(best_f1(good, defects), good, defects)
    of_cost = count(least_cost(good, defects, costs), good, defects)
    for threshold in np.linspace(-5, 5, 2003):
        other = count(threshold, good, defects)
        assert f1(other) <= f1(of_f1)
        assert costs.per_part(other) >= costs.per_part(of_cost)


@pytest.mark.parametrize("seed", range(5))
def test_a_threshold_touches_no_score_and_float32_does_not_move_it(seed: int) -> None:
    good, defects = mixed(seed)
    costs = Costs(miss=20, reject=1, prevalence=0.05)
    for threshold in (best_f1(good, defects), least_cost(good, defects, costs)):
        together = np.concatenate([good, defects])
        assert threshold not in together.tolist() or threshold == together.max()
        assert float(np.float32(threshold)) == threshold


@pytest.mark.parametrize("level", [0.3, 1.0, 1e-30, 3e38, -0.3])
def test_scores_that_float32_can_only_just_tell_apart_are_parted(level: float) -> None:
    lower = np.float32(level)
    upper = np.nextafter(lower, np.float32(np.inf))
    threshold = best_f1(scores(lower), scores(upper))
    assert not lower > threshold
    assert upper > threshold
    assert not lower > np.float32(threshold)
    assert upper > np.float32(threshold)


def test_costs_move_the_threshold_towards_the_cheaper_mistake() -> None:
    good, defects = mixed(0)
    dear, cheap = (least_cost(good, defects, Costs(miss, 1, prevalence=0.05)) for miss in (1000, 1))
    assert count(dear, good, defects).missed < count(cheap, good, defects).missed
    assert count(dear, good, defects).rejected > count(cheap, good, defects).rejected


def test_where_defects_hardly_ever_come_it_is_cheapest_to_reject_nothing() -> None:
    good, defects = mixed(0)
    threshold = least_cost(good, defects, Costs(1, 1, prevalence=1e-6))
    assert count(threshold, good, defects).rejected == 0


def test_a_model_that_turns_them_around_rejects_everything() -> None:
    good, defects = scores(0.9, 0.8), scores(0.1, 0.2)
    assert count(best_f1(good, defects), good, defects) == Counts(2, 2, 2, 0)


def test_the_cost_of_a_part_is_what_mistakes_cost_times_how_often_they_come() -> None:
    counts = Counts(good=50, rejected=5, defective=20, missed=4)
    costs = Costs(miss=100, reject=2, prevalence=0.01)
    assert costs.per_part(counts) == pytest.approx(100 * 0.2 * 0.01 + 2 * 0.1 * 0.99)
