from __future__ import annotations

import pytest
from scipy.stats import binomtest

from takt_msa.intervals import Proportion


@pytest.mark.parametrize(("count", "parts"), [(0, 7), (3, 7), (42, 50), (50, 50)])
def test_a_share_of_parts_has_the_exact_interval(count: int, parts: int) -> None:
    found = Proportion.of_parts([1] * count + [0] * (parts - count), [1] * parts).interval()
    expected = binomtest(count, parts).proportion_ci(method="exact")

    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_trials_of_one_part_that_always_agree_say_as_much_as_one() -> None:
    once = Proportion.of_parts([1, 0, 0, 0, 0], [1] * 5)
    ten_times = Proportion.of_parts([10, 0, 0, 0, 0], [10] * 5)

    assert ten_times.value == once.value
    assert ten_times.interval() == once.interval()


def test_trials_that_differ_as_much_within_parts_as_between_say_as_much_as_parts() -> None:
    found = Proportion.of_parts([1, 1, 1, 1], [4, 4, 4, 4])

    assert found.effective == 16
    assert found.interval() == Proportion.of_parts([1] * 4 + [0] * 12, [1] * 16).interval()


def test_the_effective_number_of_decisions_follows_the_spread_between_parts() -> None:
    # By hand: p = 1/3; residuals 1, -1, 0 of totals 3; v = (1 + 1) / 81 * 3/2.
    found = Proportion.of_parts([2, 0, 1], [3, 3, 3])

    assert found.effective == pytest.approx((2 / 9) / (2 / 81 * 3 / 2))


def test_no_fault_leaves_an_upper_bound_by_the_parts_and_not_by_the_decisions() -> None:
    found = Proportion.of_parts([0] * 30, [3] * 30).interval()

    assert found.low == 0
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 30))


def test_one_part_has_an_interval_that_says_next_to_nothing() -> None:
    found = Proportion.of_parts([1], [3]).interval()

    assert found.low < 0.01
    assert found.high > 0.98


def test_twice_the_parts_that_do_the_same_have_a_narrower_interval() -> None:
    found = Proportion.of_parts([1, 0, 0, 2, 0, 0], [3] * 6)
    doubled = Proportion.of_parts([1, 0, 0, 2, 0, 0] * 2, [3] * 12)

    assert found.interval(12).high < found.interval().high
    assert found.interval(12).high == pytest.approx(doubled.interval().high, abs=0.03)
