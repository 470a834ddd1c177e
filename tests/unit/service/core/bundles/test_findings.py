"""What other false-reject rates would cost and find, and which is worth it."""

from __future__ import annotations

import pytest

from takt.core.bundles.findings import AlphaPrice, Prices


def prices(
    alpha: float, *rows: tuple[float, int, int, int], made_up: int = 72, given: int = 100
) -> Prices:
    at = tuple(
        AlphaPrice(alpha=rate, image=3, pixel=4, rejected=rejected, made_up=made, given=found)
        for rate, rejected, made, found in rows
    )
    return Prices(alpha=alpha, good=200, made_up=made_up, given=given, at=at)


def test_a_higher_rate_is_worth_it_where_it_finds_many_more_defects() -> None:
    found = prices(0.01, (0.01, 2, 40, 44), (0.05, 10, 45, 82), (0.1, 20, 50, 90))
    assert found.advice == "at α = 5 % it finds 82 instead of 44 of the 100 given defects"


def test_a_rate_that_finds_a_few_more_defects_is_not_worth_it() -> None:
    assert prices(0.01, (0.01, 2, 40, 80), (0.05, 10, 45, 90)).advice is None


def test_a_lower_rate_that_finds_as_many_defects_is_worth_it() -> None:
    found = prices(0.05, (0.01, 2, 60, 98), (0.05, 10, 70, 98), (0.1, 20, 72, 100))
    assert found.advice == (
        "at α = 1 % it finds as many given defects, and rejects 2 instead of 10 of the 200 good "
        "pictures"
    )


@pytest.mark.parametrize("given", [0, 9])
def test_made_up_defects_count_where_few_are_given(given: int) -> None:
    found = prices(0.01, (0.01, 2, 20, given), (0.05, 10, 60, given), given=given)
    assert found.advice == "at α = 5 % it finds 60 instead of 20 of the 72 made-up defects"


def test_nothing_is_advised_without_defects_or_of_another_rate() -> None:
    assert prices(0.01, (0.01, 2, 0, 0), (0.05, 9, 0, 0), made_up=0, given=0).advice is None
    assert prices(0.02, (0.01, 2, 20, 20), (0.05, 10, 60, 80)).advice is None
