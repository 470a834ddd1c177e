"""Exact intervals, beside scipy's."""

from __future__ import annotations

import pytest
from scipy.stats import beta, binomtest

from service.core.intervals import UNKNOWN, beta_quantile, exact_interval


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
