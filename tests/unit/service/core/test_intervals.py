"""Exact intervals, beside scipy's."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from service.core.intervals import UNKNOWN, exact_interval


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
