from __future__ import annotations

import pytest

from takt.observing.status.quantiles import quantile


@pytest.mark.parametrize(
    ("share", "counts", "value"),
    [
        (0.5, (4, 0, 0), 0.5),
        (1.0, (4, 0, 0), 1.0),
        (0.5, (1, 1, 0), 1.0),
        (0.75, (2, 2, 0), 1.5),
        (0.99, (0, 0, 0), None),
        (0.99, (0, 0, 3), 2.0),
        (0.01, (0, 4, 0), 1.01),
    ],
)
def test_a_percentile_is_that_of_prometheus(share, counts, value) -> None:
    assert quantile(share, (1.0, 2.0), counts) == (value and pytest.approx(value))


def test_a_histogram_without_buckets_has_no_percentile() -> None:
    assert quantile(0.5, (), ()) is None
