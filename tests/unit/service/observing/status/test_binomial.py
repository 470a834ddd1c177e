from __future__ import annotations

import math
from fractions import Fraction

import pytest

from service.observing.status.binomial import chance_of_so_many


def summed(trials: int, share: float) -> list[float]:
    """The same of every number of hits, by fractions without any rounding."""
    p = Fraction(share)
    exact, found = Fraction(0), []
    for hits in range(trials, -1, -1):
        exact += math.comb(trials, hits) * p**hits * (1 - p) ** (trials - hits)
        found.append(float(exact))
    return found[::-1]


@pytest.mark.parametrize("share", [0.003, 0.03, 0.3, 0.5, 0.97])
@pytest.mark.parametrize("trials", [1, 7, 40, 150])
def test_the_chance_of_so_many_is_exact(trials: int, share: float) -> None:
    for hits, exact in enumerate(summed(trials, share)):
        assert chance_of_so_many(hits, trials, share) == pytest.approx(exact, rel=1e-9)


def test_none_is_certain_and_more_than_all_impossible() -> None:
    assert chance_of_so_many(0, 0, 0.5) == 1
    assert chance_of_so_many(3, 2, 0.5) == 0
    assert chance_of_so_many(1, 2, 0.0) == 0
    assert chance_of_so_many(2, 2, 1.0) == 1


def test_a_million_pictures_are_counted_as_well_as_few() -> None:
    # By the normal approximation, three and four standard deviations above the mean.
    for deviations, expected in ((3, 1.35e-3), (4, 3.17e-5)):
        hits = round(30_000 + deviations * math.sqrt(1e6 * 0.03 * 0.97))
        assert chance_of_so_many(hits, 10**6, 0.03) == pytest.approx(expected, rel=0.1)
    assert chance_of_so_many(900_000, 10**6, 0.03) == 0
