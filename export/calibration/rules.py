"""Thresholds by each rule, with what each pair of them does to the pictures that are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from service.bundles.calibration.conformal import METHOD, Alpha, calibrate
from service.bundles.calibration.tradeoff import Costs, Counts, best_f1, count, least_cost
from service.bundles.calibration.witnesses import anomalous
from service.bundles.thresholds import ThresholdPair

Rule = Literal["conformal", "best-f1", "cost"]
METHODS: dict[Rule, str] = {"conformal": METHOD, "best-f1": "best F1", "cost": "least cost"}


class ScoredPictures(Protocol):
    """Scores of n pictures or parts, and the highest map value of each, float32 [n]."""

    @property
    def score(self) -> NDArray[np.float32]:
        """The scores."""

    @property
    def peak(self) -> NDArray[np.float32]:
        """The highest map values."""


@dataclass(frozen=True)
class RuleThresholds:
    """The thresholds of one rule, and their counts on the given pictures.

    Attributes:
        rule: how they were found; None for those in force until now.
        image: threshold of the score.
        pixel: threshold of the highest map value, above which a picture shows a region.
        of_image: counts at `image` alone.
        of_pixel: counts at `pixel` alone.
        of_both: counts of the verdict, by which a picture is rejected that exceeds either.
    """

    rule: Rule | None
    image: float
    pixel: float
    of_image: Counts
    of_pixel: Counts
    of_both: Counts


def candidates(
    until_now: ThresholdPair,
    good: ScoredPictures,
    bad: ScoredPictures,
    alpha: Alpha,
    costs: Costs | None,
) -> tuple[RuleThresholds, ...]:
    """The thresholds in force until now, then those of each rule, with their counts.

    Args:
        until_now: those in force.
        good: good parts.
        bad: defective pictures; without any, the rules that need them are left out.
        alpha: false-reject rate of the conformal thresholds.
        costs: of mistakes on the line; None leaves the rule `cost` out.

    Raises:
        CalibrationError: as `conformal.calibrate` does.
    """
    pairs: dict[Rule | None, ThresholdPair] = {
        None: until_now,
        "conformal": calibrate(good.score, good.peak, alpha.value),
    }
    if bad.score.size:
        pairs["best-f1"] = _pair(best_f1, good, bad)
        if costs is not None:
            pairs["cost"] = _pair(partial(least_cost, costs=costs), good, bad)
    return tuple(
        RuleThresholds(
            rule,
            pair.image,
            pair.pixel,
            of_image=count(pair.image, good.score, bad.score),
            of_pixel=count(pair.pixel, good.peak, bad.peak),
            of_both=_count_of_both(pair, good, bad),
        )
        for rule, pair in pairs.items()
    )


def _pair(
    best: Callable[[NDArray[np.float32], NDArray[np.float32]], float],
    good: ScoredPictures,
    bad: ScoredPictures,
) -> ThresholdPair:
    """The best threshold of the score, then that of the map with which both together are best.

    Args:
        best: finds the best threshold for values of good and of defective pictures.
        good: of good pictures.
        bad: of defective ones.
    """
    image = best(good.score, bad.score)
    # Whatever the score rejects stays rejected, so it counts as above all thresholds of the map.
    top = np.nextafter(max(good.peak.max(), bad.peak.max()), np.float32(np.inf))
    of_good, of_bad = (
        np.where(one.score > np.float64(image), top, one.peak) for one in (good, bad)
    )
    return ThresholdPair(image, best(of_good, of_bad))


def _count_of_both(pair: ThresholdPair, good: ScoredPictures, bad: ScoredPictures) -> Counts:
    rejected, found = (int(anomalous(pair, one.score, one.peak).sum()) for one in (good, bad))
    return Counts(
        good=good.score.size,
        rejected=rejected,
        defective=bad.score.size,
        missed=bad.score.size - found,
    )
