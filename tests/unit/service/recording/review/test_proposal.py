"""Thresholds that are proposed by what was judged, in both databases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from takt.core.bundles.conformal import conformal_threshold
from takt.core.errors import CalibrationError, InvalidParameterError
from takt.recording.record import Record
from takt.recording.review.proposal import propose, weighted_threshold
from takt.recording.review.what_if import Flips
from takt.recording.search.filters import Filters
from tests.recorded import insert_inspections

OF_BOLT = Filters(model="bolt", version="1")


def judged(score: float, judgement: str | None, kept: str | None = "sample") -> dict[str, Any]:
    rejected = score > 0.5
    return {
        "score": score,
        "anomalous": rejected,
        "judgement": judgement,
        "kept": "reject" if rejected else kept,
    }


def test_equal_weights_give_the_conformal_threshold() -> None:
    rng = np.random.default_rng(3)
    for count in (5, 19, 20, 99, 100, 257):
        scores = rng.random(count).astype(np.float32)
        for alpha in (0.01, 0.05, 0.1, 0.2, 0.5):
            if alpha * (count + 1) < 1:
                continue
            found = weighted_threshold(scores.astype(np.float64), np.full(count, 7.0), alpha)
            assert found == conformal_threshold(scores, alpha)


def test_a_weight_is_a_number_of_parts_alike() -> None:
    # Of 10 + 80 good parts, one in ten may lie above: the mean weight and the upper ten do not fit.
    scores = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    weights = np.array([40.0, 40, 1, 1, 1, 1, 1, 1, 1, 1])
    # Above 9: 1, and one more of the mean 8.8; a tenth of 88 and 8.8 is 9.68.
    assert weighted_threshold(scores, weights, alpha=0.1) == 10.0
    assert weighted_threshold(scores, weights, alpha=0.102) == 9.0
    # Above 3: 7 and 8.8 of 96.8.
    assert weighted_threshold(scores, weights, alpha=0.17) == 3.0


def test_what_could_not_be_judged_has_no_say_and_is_turned_by_no_threshold(record: Record) -> None:
    rows = [judged(number / 100, "good") for number in range(41)] + [judged(0.7, "defect")] * 5
    black = {**judged(0.9, "good"), "undecided": "{}"}
    insert_inspections(record, rows)
    before = propose(record.database, OF_BOLT, alpha=0.05)
    insert_inspections(record, [black] * 9)
    assert propose(record.database, OF_BOLT, alpha=0.05) == before


def test_the_proposed_threshold_and_what_it_would_change(record: Record) -> None:
    good = [judged(number / 100, "good") for number in range(41)]
    false = [judged(0.6, "good")] * 2
    defects = [judged(0.7, "defect")] * 5 + [judged(0.45, "defect", "near")]
    unknown = [judged(0.3, None, None)] * 41 + [judged(0.65, "unsure"), judged(0.44, None, "near")]
    insert_inspections(record, [*good, *false, *defects, *unknown, {"version": "2", "score": 9.0}])
    found = propose(record.database, OF_BOLT, alpha=0.05)
    # 82 passes away from the threshold by 41 judged ones: a weight of 2 each. Rejects weigh 8 / 7.
    # Above 0.39: 2 + 2 · 8/7 + one more of 1.96, which exceeds 5 % of 84.3 + 1.96 = 4.3; above
    # 0.4: 4.25.
    assert found.what_if.threshold == pytest.approx(0.4)
    assert (found.good, found.defects, found.what_if.in_force) == (43, 6, 0.5)
    assert found.what_if.flips_all == Flips(to_pass=0, to_reject=2)
    assert found.what_if.flips_defects == Flips(to_pass=0, to_reject=1)
    assert found.what_if.flips_good == found.what_if.flips_unsure == Flips(0, 0)
    assert found.what_if.before.counts.slips == 1
    assert found.what_if.after.counts.slips == 0
    assert found.what_if.before.rejects == 8
    assert found.what_if.after.rejects == 10


def test_what_showed_a_region_is_rejected_at_each_threshold_of_the_score(record: Record) -> None:
    good = [judged(number / 100, "good") for number in range(41)]
    region = '[{"box": [0, 0, 8, 8], "area": 64, "peak": 0.75}]'
    shown = {"anomalous": True, "kept": "reject"}
    # Of the second no region was stored, as with max_regions=0: its score did not reject it.
    by_map = [judged(0.1, "good") | shown | {"regions": region}, judged(0.2, "good") | shown]
    insert_inspections(record, [*good, *by_map, judged(0.6, "good"), judged(0.6, "good")])
    found = propose(record.database, OF_BOLT, alpha=0.5)
    assert found.what_if.threshold < 0.5
    assert found.what_if.flips_all.to_pass == 0
    found = propose(record.database, OF_BOLT, alpha=0.03)
    assert found.what_if.threshold == pytest.approx(0.6)
    assert found.what_if.flips_all == Flips(to_pass=2, to_reject=0)
    assert found.what_if.after.rejects == 2
    assert any("2 of the 45 judged good parts showed a region" in line for line in found.limits)


def test_a_recent_picture_that_somebody_judged_moves_no_threshold(record: Record) -> None:
    good = [judged(number / 100, "good") for number in range(41)]
    insert_inspections(record, [*good, *[judged(0.3, None, None)] * 40])
    before = propose(record.database, OF_BOLT, alpha=0.05)
    odd = [judged(0.49, "good", "recent"), judged(0.1, "defect", "recent")]
    unjudged = [judged(0.2, None, "recent")] * 3
    insert_inspections(record, odd + unjudged)
    found = propose(record.database, OF_BOLT, alpha=0.05)
    assert (found.what_if.threshold, found.good, found.defects) == (before.what_if.threshold, 41, 0)


def test_the_best_f1_parts_judged_good_ones_from_judged_defects(record: Record) -> None:
    good = [judged(0.1 + number / 100, "good") for number in range(12)] + [judged(0.6, "good")] * 2
    defects = [judged(0.8, "defect")] * 12
    insert_inspections(record, good + defects)
    found = propose(record.database, OF_BOLT, "best-f1")
    assert found.what_if.threshold == pytest.approx(0.7)
    assert found.alpha is None
    assert found.what_if.flips_all == found.what_if.flips_good == Flips(to_pass=2, to_reject=0)
    assert found.what_if.after.false_reject_rate.value == 0
    assert any("F1 goes by the judged" in line for line in found.limits)


def test_passes_that_nobody_judged_count_as_good_and_are_named(record: Record) -> None:
    rejects = [judged(0.6 + number / 1000, "good") for number in range(20)]
    insert_inspections(record, rejects + [judged(0.2, None, None)] * 380)
    found = propose(record.database, OF_BOLT, alpha=0.05)
    # Twenty of four hundred are no more than 5 %, wherever the threshold lies among them.
    assert found.what_if.threshold == pytest.approx(0.6)
    assert any("380 passes, of which none is judged" in line for line in found.limits)
    assert found.what_if.after.slips.value is None
    assert any("no defect is judged" in line for line in found.limits)


@pytest.mark.parametrize(
    ("rows", "asked", "says"),
    [
        ([], {}, "no such inspections of bolt, version 1"),
        ([judged(0.1, None)], {}, "judged of bolt, version 1: 0 good"),
        ([judged(0.1, "good")] * 12, {}, "alpha 0.01 needs at least 99; or ask for an alpha of"),
        ([judged(0.1, "good", None)] * 99, {}, "0 good, 0 defective"),
        ([judged(0.1, "good")] * 12, {"rule": "best-f1"}, "12 good, 0 defective; .* 10 of each"),
    ],
)
def test_too_few_judged_ones_propose_nothing_and_say_why(
    sqlite_record: Record, rows: list[dict[str, Any]], asked: dict[str, Any], says: str
) -> None:
    insert_inspections(sqlite_record, rows)
    with pytest.raises(CalibrationError, match=says):
        propose(sqlite_record.database, OF_BOLT, **asked)


def test_a_threshold_is_one_of_a_version(sqlite_record: Record) -> None:
    with pytest.raises(InvalidParameterError, match="name the model and its version"):
        propose(sqlite_record.database, Filters(model="bolt"))
    with pytest.raises(InvalidParameterError, match="alpha: it goes with the rule conformal"):
        propose(sqlite_record.database, OF_BOLT, "best-f1", 0.01)
