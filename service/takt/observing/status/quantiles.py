"""Percentiles of histograms, by the rule of Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate


def quantile(share: float, bounds: Sequence[float], counts: Sequence[int]) -> float | None:
    """The value below which a share of the values lies; None where there are none.

    Within a bucket the values are taken as spread evenly; above the last bound nothing is known.

    >>> quantile(0.5, (1.0, 2.0), (0, 10, 0))
    1.5
    >>> quantile(0.99, (1.0, 2.0), (0, 0, 10))
    2.0

    Args:
        share: above 0, and at most 1.
        bounds: upper ends of the buckets, rising; the first one begins at 0.
        counts: of each bucket, and of what lies above.
    """
    up_to = list(accumulate(counts))
    total = up_to[-1] if up_to else 0
    if not total:
        return None
    rank = share * total
    for place, bound in enumerate(bounds):
        if up_to[place] >= rank:
            below = bounds[place - 1] if place else 0.0
            earlier = up_to[place] - counts[place]
            return below + (bound - below) * (rank - earlier) / counts[place]
    return bounds[-1]
