"""Exact intervals, beside scipy's."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from scipy.stats import beta, binomtest

from takt.core.intervals import UNKNOWN, beta_quantile, chance_of_so_many, exact_interval


@pytest.mark.parametrize(
    ("hits", "trials"), [(0, 1), (1, 1), (3, 10), (0, 300), (299, 300), (17, 5000), (90, 100_000)]
)
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_an_interval_is_that_of_clopper_and_pearson(
    hits: int, trials: int, confidence: float
) -> None:
    found = exact_interval(hits, trials, confidence)
    theirs = binomtest(hits, trials).proportion_ci(confidence, "exact")
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_nothing_counted_says_nothing() -> None:
    assert exact_interval(0, 0) == UNKNOWN


@pytest.mark.parametrize(("a", "b"), [(1, 1), (1, 60), (4, 397), (200, 201), (5000, 3)])
@pytest.mark.parametrize("probability", [0.0005, 0.05, 0.5, 0.95, 0.9996])
def test_a_quantile_is_that_of_the_beta_distribution(a: int, b: int, probability: float) -> None:
    assert beta_quantile(probability, a, b) == pytest.approx(beta.ppf(probability, a, b), abs=1e-9)


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
