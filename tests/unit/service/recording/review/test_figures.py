"""Mistakes among all inspections by some judged ones, beside figures computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from takt.core.intervals import UNKNOWN, exact_interval
from takt.recording.review.figures import JudgedCounts, Stratum, figures_of

REJECTS = Stratum(True, "reject", inspections=40, kept=40, good=10, defects=30)
NEAR = Stratum(False, "near", inspections=60, kept=60, good=27, defects=3)
REST = Stratum(False, "rest", inspections=900, kept=9, good=9)


def test_a_stratum_counts_for_all_of_its_inspections() -> None:
    found = figures_of([REJECTS, NEAR, REST])
    # Defects: 40 · 30/40 = 30 rejected; 60 · 3/30 = 6 near and 900 · 0/9 = 0 others passed.
    assert found.false_alarms.value == pytest.approx(10 / 40)
    assert found.slips.value == pytest.approx(6 / 960)
    assert found.miss_rate.value == pytest.approx(6 / 36)
    assert found.false_reject_rate.value == pytest.approx(10 / 964)
    assert found.defect_rate.value == pytest.approx(36 / 1000)
    assert found.counts == JudgedCounts(30, 10, 3, 36, 0)
    assert (found.inspections, found.rejects) == (1000, 40)


def test_an_interval_rests_on_exact_ones_that_hold_at_once() -> None:
    found = figures_of([REJECTS, NEAR, REST])
    near, rest = exact_interval(3, 30, 0.975), exact_interval(0, 9, 0.975)
    assert found.slips.interval.low == pytest.approx(60 * near.low / 960)
    assert found.slips.interval.high == pytest.approx((60 * near.high + 900 * rest.high) / 960)
    rejects, near, rest = (
        exact_interval(*counted, 1 - 0.05 / 3) for counted in ((30, 40), (3, 30), (0, 9))
    )
    most, least = 60 * near.high + 900 * rest.high, 60 * near.low
    assert found.miss_rate.interval.low == pytest.approx(least / (least + 40 * rejects.high))
    assert found.miss_rate.interval.high == pytest.approx(most / (most + 40 * rejects.low))
    # 9 judged passes of 900 leave open whether a third of them slipped through.
    assert found.slips.interval.high > 0.3


def test_passes_that_nobody_judged_may_all_be_slips() -> None:
    found = figures_of([REJECTS, NEAR, Stratum(False, "rest", inspections=900, kept=9)])
    assert found.slips.value is None
    assert found.miss_rate.value is None
    assert found.slips.interval.high > 900 / 960
    assert found.slips.interval.low > 0
    assert found.false_alarms.value == pytest.approx(0.25)
    assert found.limits[0] == (
        "passes not near the threshold: none of 900 is judged: what they are is not known at all"
    )


def test_unsure_ones_and_those_chosen_by_hand_are_in_no_rate() -> None:
    by_hand = Stratum(False, "rest", inspections=5, unsure=2, defects_by_hand=3)
    found = figures_of([REST, by_hand])
    assert found.slips.value == 0
    assert found.counts == JudgedCounts(0, 0, 3, 9, 2)
    assert any("2 judged unsure" in line for line in found.limits)
    assert any("3 were judged whose pictures neither a rule nor" in line for line in found.limits)


def test_choosing_among_the_kept_is_named() -> None:
    assert any(
        "39 of 69 kept pictures are judged" in line for line in figures_of([NEAR, REST]).limits
    )
    assert figures_of([REJECTS]).limits == ()


def test_of_one_there_is_no_plural() -> None:
    one = Stratum(True, "reject", inspections=2, kept=2, good=1, unsure=1)
    assert [line for line in figures_of([one]).limits if line.startswith("1")] == [
        "1 of 2 kept pictures is judged; the rates suppose that they were taken as they came, and "
        "not the odd ones first",
        "1 judged unsure is in no rate",
    ]


def test_without_inspections_nothing_is_known() -> None:
    found = figures_of([])
    assert found.inspections == 0
    assert found.slips.value is None and found.slips.interval == UNKNOWN


def test_the_strata_of_days_add_up() -> None:
    assert (
        figures_of([REJECTS, REJECTS]).false_alarms == figures_of([REJECTS + REJECTS]).false_alarms
    )


def test_intervals_hold_the_truth_at_least_as_often_as_they_say() -> None:
    rng = np.random.default_rng(7)
    missed = 0
    for _ in range(200):
        near, rest = rng.binomial(20, 0.2), rng.binomial(30, 0.02)
        found = figures_of(
            [
                Stratum(False, "near", 100, 20, good=20 - near, defects=near),
                Stratum(False, "rest", 900, 30, good=30 - rest, defects=rest),
            ]
        )
        interval = found.slips.interval
        missed += not interval.low <= (100 * 0.2 + 900 * 0.02) / 1000 <= interval.high
    assert missed <= 10
