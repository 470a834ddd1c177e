"""A model's promise, and what is said of its share of rejects."""

from __future__ import annotations

import numpy as np
import pytest

from takt.watching.promise import (
    ERROR,
    PromiseTest,
    between,
    promised_share,
    stakes_at,
    unplaced_after,
    worth_of,
)


def test_one_honest_model_in_twenty_rejects_more_than_promised(rng: np.random.Generator) -> None:
    shares = rng.beta(4, 397, 20_000)

    assert (shares > promised_share(400, 397)).mean() == pytest.approx(0.05, abs=0.005)


def test_no_bet_gains_on_average_within_the_promise() -> None:
    worth = worth_of(0.02)

    assert 0.98 * worth[0] + 0.02 * worth[1] == pytest.approx(np.ones(3))
    assert (0.99 * worth[0] + 0.01 * worth[1] < 1).all()


@pytest.mark.parametrize("promised", [0.6, 0.95, 0.999])
def test_a_promise_of_nearly_everything_can_be_tested(promised: float) -> None:
    worth = worth_of(promised)

    assert (worth >= 0).all()
    assert (1 - promised) * worth[0] + promised * worth[1] == pytest.approx(np.ones(3))


def test_no_more_than_one_is_placed_on_all_bets() -> None:
    placed = sum(stakes_at(part).sum() for part in range(5000))

    assert placed + unplaced_after(5000) == pytest.approx(1.0)


def test_a_model_that_keeps_its_promise_is_seldom_accused(rng: np.random.Generator) -> None:
    accused = 0
    for _ in range(200):
        test = PromiseTest(0.05)
        test.see(rng.random(500) < 0.05)
        accused += test.broken

    assert accused / 200 <= ERROR


def test_a_broken_promise_is_told_with_the_part_that_shows_it(rng: np.random.Generator) -> None:
    test = PromiseTest(0.02)
    assert test.see(rng.random(3000) < 0.01) is None

    found = test.see(rng.random(4000) < 0.06)

    assert found is not None
    assert test.broken
    assert test.see(np.array([True])) is None


def test_parts_at_once_and_one_by_one_are_the_same(rng: np.random.Generator) -> None:
    rejected = rng.random(1500) < 0.03
    at_once, one_by_one = PromiseTest(0.02), PromiseTest(0.02)

    at_once.see(rejected)
    for place in range(len(rejected)):
        one_by_one.see(rejected[place : place + 1])

    assert at_once.evidence.tolist() == one_by_one.evidence.tolist()
    assert (at_once.parts, at_once.rejected) == (1500, int(rejected.sum()))
    assert at_once.highest == one_by_one.highest


def test_an_interval_holds_the_share_at_all_times(rng: np.random.Generator) -> None:
    missed = 0
    for _ in range(200):
        rejected = np.cumsum(rng.random(2000) < 0.03)
        times = np.unique(np.geomspace(1, 2000, 60).astype(int))
        found = [between(int(rejected[seen - 1]), int(seen)) for seen in times]
        missed += any(not one.low <= 0.03 <= one.high for one in found)

    assert missed / 200 <= 0.05


@pytest.mark.parametrize(("rejected", "seen"), [(0, 100), (100, 100), (1, 1), (0, 1)])
def test_an_interval_of_none_or_all_ends_at_nought_or_one(rejected: int, seen: int) -> None:
    found = between(rejected, seen)

    assert 0.0 <= found.low <= rejected / seen <= found.high <= 1.0
    assert (found.low == 0.0) == (rejected == 0)
    assert (found.high == 1.0) == (rejected == seen)


def test_nothing_seen_says_nothing() -> None:
    assert (between(0, 0).low, between(0, 0).high) == (0.0, 1.0)


def test_more_parts_give_a_narrower_interval() -> None:
    few, many = between(12, 1200), between(1200, 120_000)

    assert many.high - many.low < (few.high - few.low) / 5
