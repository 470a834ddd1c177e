"""Thresholds by each rule, with what each pair of them does to the pictures that are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.conformal import METHOD, Alpha, calibrate
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.bundles.tradeoff import (
    Costs,
    Counts,
    best_f1,
    count,
    f1,
    least_cost,
    thresholds_between,
)
from takt.core.bundles.witnesses import anomalous

Rule = Literal["conformal", "best-f1", "cost"]
METHODS: dict[Rule, str] = {"conformal": METHOD, "best-f1": "best F1", "cost": "least cost"}

MOST_TRIED = 64
"""Thresholds of the score to which the best of the map is sought."""


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
        pairs["best-f1"] = _pair(best_f1, f1, good, bad)
        if costs is not None:
            cheapest = partial(least_cost, costs=costs)
            pairs["cost"] = _pair(cheapest, lambda of: -costs.per_part(of), good, bad)
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
    merit: Callable[[Counts], float],
    good: ScoredPictures,
    bad: ScoredPictures,
) -> ThresholdPair:
    """The thresholds that are best together; of several those with the score's own best.

    Args:
        best: finds the best threshold for values of good and of defective pictures.
        merit: of counts of both; the higher the better.
        good: of good pictures.
        bad: of defective ones, at least one.
    """
    possible = thresholds_between(good.score, bad.score)
    places = np.unique(np.linspace(0, len(possible) - 1, MOST_TRIED).round().astype(int))
    images = [best(good.score, bad.score), *(possible[place] for place in reversed(places))]
    pairs = (ThresholdPair(one, best(_left(good, one), _left(bad, one))) for one in images)
    # Of equal ones the first is taken.
    return _within_reach(
        max(pairs, key=lambda pair: merit(_count_of_both(pair, good, bad))), good, bad
    )


def _within_reach(pair: ThresholdPair, good: ScoredPictures, bad: ScoredPictures) -> ThresholdPair:
    """The pair; where it leaves nothing to the map, with the lowest threshold that does so.

    A higher one would reject the same of these pictures, and no map would ever show a region.
    """
    score = np.concatenate([good.score, bad.score])
    peak = np.concatenate([good.peak, bad.peak])
    left = peak[score <= np.float64(pair.image)]
    highest = (left if left.size else peak).max(keepdims=True)
    if pair.pixel < highest:
        return pair
    return replace(pair, pixel=thresholds_between(highest, peak[peak > highest])[1])


def _left(scored: ScoredPictures, image: float) -> NDArray[np.float32]:
    """The peaks [n], with one above all others for what the score's threshold rejects anyway."""
    top = np.finfo(np.float32).max
    return np.where(scored.score > np.float64(image), top, scored.peak)


def _count_of_both(pair: ThresholdPair, good: ScoredPictures, bad: ScoredPictures) -> Counts:
    rejected, found = (int(anomalous(pair, one.score, one.peak).sum()) for one in (good, bad))
    return Counts(
        good=good.score.size,
        rejected=rejected,
        defective=bad.score.size,
        missed=bad.score.size - found,
    )
