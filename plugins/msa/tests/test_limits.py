from __future__ import annotations

import pytest

from takt_msa.intervals import FigureInterval, Proportion
from takt_msa.limits import (
    EFFECTIVENESS,
    FALSE_ALARM_RATE,
    KAPPA,
    MISS_RATE,
    Limit,
    worst_finding,
    worst_rating,
)


@pytest.mark.parametrize(
    ("limit", "acceptable", "marginal", "neither"),
    [
        (EFFECTIVENESS, 0.90, 0.80, 0.79),
        (MISS_RATE, 0.02, 0.05, 0.051),
        (FALSE_ALARM_RATE, 0.05, 0.10, 0.101),
        (KAPPA, 0.76, 0.40, 0.39),
    ],
)
def test_a_value_is_rated_by_aiags_limits(
    limit: Limit, acceptable: float, marginal: float, neither: float
) -> None:
    assert limit.rate(acceptable) == "acceptable"
    assert limit.rate(marginal) == "marginal"
    assert limit.rate(neither) == "not acceptable"


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.91, 0.99, "acceptable"),
        (0.81, 0.99, "at least marginal"),
        (0.79, 0.99, "not shown"),
        (0.10, 0.79, "not acceptable"),
    ],
)
def test_something_is_shown_if_it_holds_for_the_whole_interval(
    low: float, high: float, shown: str
) -> None:
    assert EFFECTIVENESS.find(FigureInterval(low, high)) == shown


def test_so_many_parts_without_a_fault_show_a_limit_and_one_less_does_not() -> None:
    needed = MISS_RATE.parts_needed(Proportion.of_parts([0, 0], [3, 3]))

    assert needed == 183
    assert 1 - 0.025 ** (1 / 183) <= 0.02 < 1 - 0.025 ** (1 / 182)


def test_parts_that_do_as_these_did_show_it_in_the_number_that_is_named() -> None:
    found = Proportion.of_parts([1] + [0] * 99, [3] * 100)
    needed = MISS_RATE.parts_needed(found)

    assert needed is not None
    assert MISS_RATE.find(found.interval(needed)) == "acceptable"
    assert MISS_RATE.find(found.interval(needed - 1)) != "acceptable"


def test_no_number_of_parts_shows_what_is_not_so() -> None:
    assert MISS_RATE.parts_needed(Proportion.of_parts([1, 0], [3, 3])) is None
    just_at_it = Proportion.of_parts([1] + [0] * 49, [1] * 50)
    assert just_at_it.value == MISS_RATE.acceptable
    assert MISS_RATE.parts_needed(just_at_it) is None


def test_the_worst_counts_and_what_has_no_limit_does_not() -> None:
    assert worst_rating(["acceptable", None, "marginal"]) == "marginal"
    assert worst_finding(["at least marginal", "not shown", None]) == "not shown"
    assert worst_rating([None]) == "acceptable"
