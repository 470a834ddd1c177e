"""Verdicts against judgements over time, in both databases."""

from __future__ import annotations

from typing import Any

import pytest

from takt.core.errors import InvalidParameterError
from takt.recording.record import Record
from takt.recording.review import confusion as review
from takt.recording.review.confusion import confusion
from takt.recording.review.figures import JudgedCounts
from takt.recording.search.filters import Filters
from tests.recorded import NOON_US, insert_inspections

DAY_US = 86_400_000_000
REJECT: dict[str, Any] = {"anomalous": True, "score": 0.75, "kept": "reject"}
FALSE_REJECT = REJECT | {"judgement": "good"}
TRUE_REJECT = REJECT | {"judgement": "defect"}
PASS: dict[str, Any] = {"kept": "sample", "judgement": "good"}
SLIP: dict[str, Any] = {"kept": "near", "judgement": "defect"}


def test_verdicts_and_judgements_are_counted_by_day(record: Record) -> None:
    rows = [TRUE_REJECT, FALSE_REJECT, PASS, SLIP, {}, {}, {"judgement": "good"}]
    tomorrow = [{**row, "at_us": NOON_US + DAY_US} for row in (FALSE_REJECT, {**PASS})]
    insert_inspections(record, [*rows, *tomorrow])
    found = confusion(record.database, Filters(), "day")
    first, second = found.buckets
    assert first.since_us % DAY_US == 0
    assert first.since_us <= NOON_US < first.until_us == second.since_us
    assert first.figures.counts == JudgedCounts(1, 1, 1, 2, 0)
    assert second.figures.counts == JudgedCounts(0, 1, 0, 1, 0)
    assert found.whole.counts == JudgedCounts(1, 2, 1, 3, 0)
    # One defect of one judged near the threshold, none of one sampled among four others.
    assert first.figures.slips.value == pytest.approx(1 / 5)
    assert any("1 was judged whose pictures neither" in line for line in first.figures.limits)


def test_what_could_not_be_judged_counts_once_a_person_has_judged_it(record: Record) -> None:
    black = {**REJECT, "undecided": "{}"}
    insert_inspections(record, [TRUE_REJECT, black, black, {**black, "judgement": "good"}])
    whole = confusion(record.database, Filters()).whole
    assert (whole.rejects, whole.counts) == (2, JudgedCounts(1, 1, 0, 0, 0))


def test_weeks_begin_on_mondays(record: Record) -> None:
    # 2026-03-01 is a Sunday.
    insert_inspections(record, [{"at_us": NOON_US}, {"at_us": NOON_US + DAY_US}])
    sunday, monday = confusion(record.database, Filters(), "week").buckets
    assert sunday.until_us == monday.since_us
    assert monday.since_us % DAY_US == 0
    assert NOON_US < monday.since_us <= NOON_US + DAY_US


def test_filters_choose_what_is_counted(record: Record) -> None:
    insert_inspections(record, [TRUE_REJECT, {**TRUE_REJECT, "station": "b", "version": "2"}])
    found = confusion(record.database, Filters(model="bolt", version="2", station="b"), "hour")
    assert found.whole.counts.true_rejects == 1
    assert confusion(record.database, Filters(model="nut"), "hour").buckets == ()


def test_a_reject_that_lost_its_picture_counts_with_the_others(record: Record) -> None:
    insert_inspections(record, [TRUE_REJECT, TRUE_REJECT, {**REJECT, "kept": None}])
    whole = confusion(record.database, Filters()).whole
    assert whole.rejects == 3
    assert whole.false_alarms.value == 0


def test_where_rejects_are_not_kept_a_sample_of_them_stands_for_all(record: Record) -> None:
    sampled = {**TRUE_REJECT, "kept": "sample"}
    insert_inspections(record, [sampled, {**REJECT, "kept": None}])
    assert confusion(record.database, Filters()).whole.false_alarms.value == 0


def test_a_recent_picture_changes_no_figure_whether_it_is_there_judged_or_gone(
    record: Record,
) -> None:
    chosen = [TRUE_REJECT, FALSE_REJECT, PASS, PASS, SLIP, {"kept": "near"}, {"kept": "sample"}]
    unchosen: list[dict[str, Any]] = [
        *({"judgement": word} for word in ("defect", "good", "unsure")),
        *({} for _ in range(5)),
        {"anomalous": True, "score": 0.75},
    ]
    insert_inspections(record, [{**row, "model": "without"} for row in (*chosen, *unchosen)])
    recent = {"kept": "recent", "picture": True}
    some = [row | recent if number % 3 else row for number, row in enumerate(unchosen)]
    insert_inspections(record, [{**row, "model": "with"} for row in (*chosen, *some)])
    found, wanted = (
        confusion(record.database, Filters(model=model)) for model in ("with", "without")
    )
    assert found == wanted
    assert wanted.whole.counts.slips == 2


def test_who_judges_a_recent_picture_has_chosen_it_and_it_stands_for_no_other(
    record: Record,
) -> None:
    missed = {"kept": "recent", "picture": True, "judgement": "defect"}
    insert_inspections(record, [*[PASS] * 10, *[{}] * 90, missed])
    whole = confusion(record.database, Filters()).whole
    assert whole.counts.slips == 1
    assert whole.slips.value == 0
    assert any("1 was judged whose pictures neither a rule" in line for line in whole.limits)


def test_too_many_buckets_are_refused(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "MOST_BUCKETS", 3)
    hour_us = 3_600_000_000
    insert_inspections(sqlite_record, [{"at_us": hour_us * hour} for hour in range(4)])
    with pytest.raises(InvalidParameterError, match="4 hours, more than 3"):
        confusion(sqlite_record.database, Filters(), "hour")
    assert len(confusion(sqlite_record.database, Filters(), "day").buckets) == 1
