"""The figures of a set: of each seed, and their means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from takt.core.bundles.thresholds import ThresholdPair

ALPHAS = (0.05, 0.01)
"""False-reject rates that the thresholds aim at."""

OTHER_TIME_P = 0.01
"""Below this p-value the good pictures for testing are not like those that were fitted on."""


@dataclass(frozen=True)
class Rates:
    """Shares of the tested pictures that the thresholds of a rate reject.

    Attributes:
        alpha: the rate.
        found: share of the defective ones.
        rejected: share of the good ones.
    """

    alpha: float
    found: float
    rejected: float


@dataclass(frozen=True)
class SeedFigures:
    """Figures of one fit.

    Attributes:
        seed: of the fit.
        image_auroc: of the scores.
        pixel_auroc: of the maps; None without masks.
        aupro_30: of the maps, up to a false-positive rate of 0.3; None without masks.
        rates: at each of `ALPHAS` that the number of out-of-fold scores allows.
        out_of_fold: number of out-of-fold scores.
        other_time_p: p-value of the test that `other_time_p` describes.
        fit_s: processor seconds of the fit, without the encoder's.
    """

    seed: int
    image_auroc: float
    pixel_auroc: float | None
    aupro_30: float | None
    rates: tuple[Rates, ...]
    out_of_fold: int
    other_time_p: float
    fit_s: float


@dataclass(frozen=True)
class SetFigures:
    """Figures of a set.

    Attributes:
        name: of the set.
        good: number of pictures that were fitted on.
        tested_good: number of good pictures for testing.
        defective: number of defective ones.
        size: width x height of the input.
        seeds: figures of each seed.
        peak_mb: largest memory of the process that fitted and answered, all of it.
        p50_ms: median time of a picture through the graph; None if it was not asked for.
    """

    name: str
    good: int
    tested_good: int
    defective: int
    size: str
    seeds: tuple[SeedFigures, ...]
    peak_mb: float
    p50_ms: float | None = None

    @property
    def image_auroc(self) -> float:
        """Mean over the seeds."""
        return fmean(one.image_auroc for one in self.seeds)

    @property
    def sides(self) -> tuple[int, int]:
        """Width and height of the input in pixels."""
        width, height = map(int, self.size.split("x"))
        return width, height

    @property
    def other_time(self) -> bool:
        """Whether the good pictures for testing are not like those that were fitted on."""
        return median(one.other_time_p for one in self.seeds) < OTHER_TIME_P

    def mean(self, of: Callable[[SeedFigures], float | None]) -> float | None:
        """Mean of a figure over the seeds; None if a seed has none."""
        return mean(map(of, self.seeds))

    def rate(self, alpha: float, of: Callable[[Rates], float]) -> float | None:
        """Mean of a share over the seeds; None where the scores do not allow the rate."""

        def at_alpha(seed: SeedFigures) -> float | None:
            return next((of(one) for one in seed.rates if one.alpha == alpha), None)

        return self.mean(at_alpha)

    def found(self, alpha: float = 0.05) -> float | None:
        """Share of the defective pictures that are rejected, mean over the seeds."""
        return self.rate(alpha, lambda rates: rates.found)

    def rejected(self, alpha: float = 0.05) -> float | None:
        """Share of the good pictures that are rejected, mean over the seeds."""
        return self.rate(alpha, lambda rates: rates.rejected)


def mean(values: Iterable[float | None]) -> float | None:
    """The mean; None if a value is missing, or all are."""
    known = list(values)
    if not known or any(value is None for value in known):
        return None
    return fmean(value for value in known if value is not None)


def rates_of(
    limits: Mapping[float, ThresholdPair],
    scores: NDArray[np.float32],
    peaks: NDArray[np.float32],
    defective: NDArray[np.bool_],
) -> tuple[Rates, ...]:
    """Shares that are rejected: by the score, or by any map value.

    Args:
        limits: thresholds by the rate that they aim at.
        scores: of the tested pictures, [m].
        peaks: highest values of their maps, [m].
        defective: which of them are, [m].
    """
    found = []
    for alpha, limit in limits.items():
        over = (scores.astype(float) > limit.image) | (peaks.astype(float) > limit.pixel)
        found.append(Rates(alpha, float(over[defective].mean()), float(over[~defective].mean())))
    return tuple(found)


def other_time_p(
    good_scores: NDArray[np.float32], scores: NDArray[np.float32], defective: NDArray[np.bool_]
) -> float:
    """P-value of the two-sided Mann-Whitney test of good pictures, fitted on against tested ones.

    The former are scored out of fold, so that a like picture scores about as high. A small value
    says that light, camera or parts were others when the tested pictures were taken, and no
    threshold of the former keeps its promise on them.
    """
    tested = scores[~defective]
    return float(mannwhitneyu(good_scores, tested, alternative="two-sided").pvalue)
