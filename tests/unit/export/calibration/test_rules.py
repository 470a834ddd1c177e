from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from takt.core.bundles.conformal import Alpha
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.bundles.tradeoff import Costs, Counts
from takt_export.calibration.rules import Rule, RuleThresholds, candidates


@dataclass(frozen=True)
class Scored:
    score: NDArray[np.float32]
    peak: NDArray[np.float32]


def scored(*pairs: tuple[float, float]) -> Scored:
    values = np.array(pairs, np.float32).reshape(len(pairs), 2)
    return Scored(values[:, 0], values[:, 1])


GOOD = scored(*((number / 10, number / 10) for number in range(9)), (0.2, 1.0))
BAD = scored((2.0, 0.5), (2.5, 3.0), (0.1, 2.0))
"""The second of these both see; the others the score or the map alone."""
UNTIL_NOW = ThresholdPair(0.35, 5.0)


def by_rule(bad: Scored = BAD) -> dict[Rule | None, RuleThresholds]:
    costs = Costs(miss=10, reject=1, prevalence=0.5)
    return {one.rule: one for one in candidates(UNTIL_NOW, GOOD, bad, Alpha(0.3), costs)}


def test_a_picture_that_exceeds_either_threshold_is_counted_once() -> None:
    found = by_rule()[None]
    assert found.of_image == Counts(good=10, rejected=5, defective=3, missed=1)
    assert found.of_pixel == Counts(good=10, rejected=0, defective=3, missed=3)
    assert found.of_both == found.of_image


def test_conformal_thresholds_together_reject_what_alpha_allows() -> None:
    found = by_rule()["conformal"]
    # k is 8: of ten pictures two may exceed either, the one with the highest score and the one
    # with the highest peak.
    assert (found.image, found.pixel) == pytest.approx((0.7, 0.8))
    assert found.of_both == Counts(good=10, rejected=2, defective=3, missed=0)


@pytest.mark.parametrize("rule", ["best-f1", "cost"])
def test_the_threshold_of_the_map_finds_what_the_score_has_left(rule: Rule) -> None:
    found = by_rule()[rule]
    assert found.of_both == Counts(good=10, rejected=0, defective=3, missed=0)
    assert found.of_image.missed == 1
    assert 1.0 <= found.pixel < 2.0


def test_where_the_score_finds_all_the_map_rejects_no_good_picture() -> None:
    found = by_rule(scored((2.0, 0.5), (2.5, 0.1)))["best-f1"]
    assert found.of_both == Counts(good=10, rejected=0, defective=2, missed=0)


@pytest.mark.parametrize("rule", ["best-f1", "cost"])
def test_where_the_score_finds_all_the_map_shows_the_defects_that_stand_out_on_it(
    rule: Rule,
) -> None:
    assert by_rule(scored((2.0, 0.5), (2.5, 3.0)))[rule].pixel == pytest.approx(2.0)
    assert by_rule(scored((2.0, 0.5), (2.5, 0.1)))[rule].pixel == pytest.approx(1.0)


def test_where_the_score_rejects_all_the_threshold_of_the_map_is_one_that_maps_reach() -> None:
    everything = Costs(miss=1000, reject=1, prevalence=0.9)
    same = scored((0.1, 0.1), (0.2, 0.3))
    found = candidates(UNTIL_NOW, same, scored((0.05, 0.05)), Alpha(0.5), everything)
    assert found[-1].of_both == Counts(good=2, rejected=2, defective=1, missed=0)
    assert found[-1].pixel == pytest.approx(0.3)


def test_without_defects_there_is_no_rule_that_needs_some() -> None:
    assert by_rule(scored()).keys() == {None, "conformal"}
