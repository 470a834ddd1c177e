"""What was kept on each day, in both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import event

from takt.core.errors import InvalidParameterError
from takt.recording.record import Record
from takt.recording.review.calendar import ReviewDay, calendar
from takt.recording.search.filters import Filters
from tests.recorded import NOON_US, insert_inspections

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
REJECT: dict[str, Any] = {"anomalous": True, "kept": "reject"}
MARCH_1, MARCH_2 = date(2026, 3, 1), date(2026, 3, 2)
A_WEEK = Filters(since_us=NOON_US - 3 * DAY_US, until_us=NOON_US + 4 * DAY_US)


def test_days_count_why_pictures_were_kept_and_who_has_judged(record: Record) -> None:
    rows: list[dict[str, Any]] = [
        REJECT,
        REJECT | {"judgement": "defect"},
        {"kept": "near", "judgement": "unsure"},
        {"kept": "sample"},
        {"judgement": "good"},
        {},
        REJECT | {"at_us": NOON_US + DAY_US},
    ]
    insert_inspections(record, rows)
    first, second = calendar(record.database, A_WEEK)
    assert first == ReviewDay(MARCH_1, rejects=2, near=1, samples=1, judged=2)
    assert first.unreviewed == 2
    assert second == ReviewDay(MARCH_2, rejects=1)


@pytest.mark.parametrize(
    ("hours", "day"), [(0, MARCH_1), (11, MARCH_1), (12, MARCH_2), (-13, None)]
)
def test_days_begin_where_the_reader_is(record: Record, hours: int, day: date | None) -> None:
    insert_inspections(record, [REJECT])
    (found,) = calendar(record.database, A_WEEK, offset_minutes=60 * hours)
    assert found.day == (day or date(2026, 2, 28))


@pytest.mark.parametrize(
    ("asked", "rejects"),
    [
        (Filters(), 2),
        (Filters(kept="reject"), 2),
        (Filters(kept="any"), 2),
        (Filters(kept="near"), 0),
        (Filters(verdict="pass"), 0),
        (Filters(station="north"), 1),
        (Filters(model="bolt", version="1"), 2),
        (Filters(judgement="none"), 1),
        (Filters(judgement="good"), 1),
        (Filters(score_min=0.3), 1),
    ],
)
def test_filters_choose_what_is_counted(record: Record, asked: Filters, rejects: int) -> None:
    insert_inspections(record, [REJECT | {"station": "north", "score": 0.5}])
    insert_inspections(record, [REJECT | {"judgement": "good"}])
    found = calendar(record.database, asked, now=datetime(2026, 3, 2, tzinfo=UTC))
    assert sum(day.rejects for day in found) == rejects


def test_the_last_six_weeks_are_looked_at_unless_said_otherwise(sqlite_record: Record) -> None:
    ages = [0, 41, 43]
    insert_inspections(sqlite_record, [REJECT | {"at_us": NOON_US - age * DAY_US} for age in ages])
    now = datetime(2026, 3, 1, 13, tzinfo=UTC)
    assert len(calendar(sqlite_record.database, Filters(), now=now)) == 2
    until = Filters(until_us=NOON_US)
    assert len(calendar(sqlite_record.database, until, now=now)) == 1


def test_more_than_four_hundred_days_are_refused(sqlite_record: Record) -> None:
    with pytest.raises(InvalidParameterError, match="400 days"):
        calendar(sqlite_record.database, Filters(since_us=0))


def test_a_time_that_ends_before_it_begins_is_refused(sqlite_record: Record) -> None:
    with pytest.raises(InvalidParameterError, match="not before until"):
        calendar(sqlite_record.database, Filters(since_us=NOON_US, until_us=NOON_US))


def test_the_days_at_the_ends_count_as_far_as_they_are_asked_for(record: Record) -> None:
    insert_inspections(
        record, [REJECT | {"at_us": NOON_US + hour * HOUR_US} for hour in range(-3, 40)]
    )
    asked = Filters(since_us=NOON_US - HOUR_US, until_us=NOON_US + 14 * HOUR_US)
    assert [day.rejects for day in calendar(record.database, asked)] == [13, 2]


def test_the_days_are_counted_in_one_index(sqlite_record: Record) -> None:
    plans: list[str] = []

    def explain(connection, cursor, statement, parameters, context, many):  # type: ignore[no-untyped-def]
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        plans.extend(row[-1] for row in cursor.fetchall())
        return statement, parameters

    with sqlite_record.database.reading() as connection:
        engine = connection.engine
    event.listen(engine, "before_cursor_execute", explain, retval=True)
    try:
        calendar(sqlite_record.database, A_WEEK)
    finally:
        event.remove(engine, "before_cursor_execute", explain)
    assert any(
        "COVERING INDEX inspections_kept (kept=? AND at_us>? AND at_us<?)" in one for one in plans
    )


def test_recent_pictures_are_in_no_day(record: Record) -> None:
    recent = {"kept": "recent", "picture": True}
    insert_inspections(record, [REJECT, recent, recent | {"judgement": "defect"}])
    (found,) = calendar(record.database, A_WEEK)
    assert found == ReviewDay(MARCH_1, rejects=1)
    assert calendar(record.database, replace(A_WEEK, kept="recent")) == []
