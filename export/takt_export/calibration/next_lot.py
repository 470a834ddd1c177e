"""How many good pictures of a further lot thresholds may reject, as the known lots differ.

Each lot's pictures are scored by a model that has seen none of them. Lots differ in how high they
score, and a further one may lie as high as the highest, or higher. At the thresholds too few
pictures are rejected to tell how lots differ: of 20 pictures, 5 % are one. So that is told by how
many of each lot lie above the median of all. With q_i that share of lot i, which has n_i of the N
pictures of L lots, and between and within the mean squares of lots and of pictures in them,

    between = Σ n_i·(q_i - q)² / (L - 1),   within = Σ n_i·q_i·(1 - q_i) / (N - L),
    σ² = max(0, between - within) / (m·φ(0)²),   m = (N - Σ n_i²/N) / (L - 1),

the variance between lots, in deviations of a normal distribution, in which a lot that scores higher
than the others does so at every threshold. Few lots tell it badly. So it is drawn to `USUAL`², as
if that were known of `USUAL_WEIGHT` lots: s² = ((L - 1)·σ² + w·USUAL²) / (L - 1 + w). For a further
lot of `PICTURES` pictures its share is with probability `SURE` at most

    Φ(Φ⁻¹(p) + t·√(s²·(1 + 1/L) + c²)),

with p the share of all pictures that the thresholds reject, or α where that is more, t the quantile
of Student's distribution of L - 1 + w degrees of freedom, and c the deviation by chance of Φ⁻¹ of a
share p of these pictures. **Proven**: nothing, as lots need not be normal. **Measured**:
`docs/calibration.md`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from takt.core.bundles.next_lot import SURE, NextLot
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.bundles.witnesses import anomalous
from takt_export.calibration.lots import Lots

USUAL = 0.5
"""Deviation between lots, as five sets of real pictures have it on average."""

USUAL_WEIGHT = 5
"""As if it were known of so many lots."""

PICTURES = 100
"""Pictures of the further lot."""

_NORMAL = NormalDist()


@dataclass(frozen=True)
class ScoresByLot:
    """Scores of good pictures, each by a model that has not seen it.

    Attributes:
        lots: of the pictures.
        score: float32 [n].
        peak: the highest value of each map, float32 [n].
        are_unseen: whether the model that scored a picture had seen no other one of its lot.
    """

    lots: Lots
    score: NDArray[np.float32]
    peak: NDArray[np.float32]
    are_unseen: bool

    def next_lot(self, pair: ThresholdPair, alpha: float) -> NextLot:
        """What the lots tell of the next one at some thresholds.

        Args:
            pair: the thresholds.
            alpha: their false-reject rate.
        """
        rejected = anomalous(pair, self.score, self.peak)
        count, limit, twice = self.lots.count, None, None
        if self.are_unseen and self.lots.are_apart:
            spread = spread_of(self.score > np.median(self.score), self.lots.of)
            share = max(alpha, (float(rejected.sum()) + 0.5) / (len(rejected) + 1))
            limit, twice = limit_of(share, spread, count), limit_of(share, spread, 2 * count)
        return NextLot(
            lots=count,
            such_as=min(self.lots.of, default=""),
            rejected=int(rejected.sum()),
            good=len(rejected),
            limit=limit,
            limit_of_twice=twice,
        )


def spread_of(above: NDArray[np.bool_], lots: Sequence[str]) -> float:
    """The deviation σ between lots, by which pictures [n] lie above the median.

    >>> above, lots = np.array([0, 1, 0, 1, 0, 1]).astype(bool), ["a", "a", "b", "b", "c", "c"]
    >>> spread_of(above, lots)
    0.0
    """
    names, of_lot = np.unique(np.array(lots), return_inverse=True)
    number = np.bincount(of_lot)
    share = np.bincount(of_lot, above) / number
    pictures, count = len(above), len(names)
    if pictures == count:
        return 0.0
    between = float((number * (share - above.mean()) ** 2).sum()) / (count - 1)
    within = float((number * share * (1 - share)).sum()) / (pictures - count)
    usual_number = (pictures - float((number**2).sum()) / pictures) / (count - 1)
    return math.sqrt(max(0.0, between - within) / usual_number) / _NORMAL.pdf(0)


def limit_of(share: float, spread: float, lots: int) -> float:
    """The share of a further lot's good pictures that `SURE` of lots stay below.

    >>> round(limit_of(0.05, 0.0, 100), 3), round(limit_of(0.05, 0.5, 4), 3)
    (0.091, 0.209)

    Args:
        share: of all known good pictures that is rejected.
        spread: σ between lots.
        lots: how many of these are known.
    """
    freedom = lots - 1 + USUAL_WEIGHT
    drawn = ((lots - 1) * spread**2 + USUAL_WEIGHT * USUAL**2) / freedom
    further = drawn * (1 + 1 / lots) + _deviation(share, PICTURES) ** 2
    quantile = float(student.ppf(SURE, freedom))
    return _NORMAL.cdf(_NORMAL.inv_cdf(share) + quantile * math.sqrt(further))


def _deviation(share: float, count: int) -> float:
    """The deviation by chance of Φ⁻¹ of a share of some pictures."""
    density = _NORMAL.pdf(_NORMAL.inv_cdf(share))
    return math.sqrt(share * (1 - share) / count) / density
