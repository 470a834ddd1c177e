"""The index that a page is found by, as SQLite plans it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import event, text

from takt.recording.record import Record, open_record
from takt.recording.search import paths
from takt.recording.search.cursor import Cursor
from takt.recording.search.filters import Filters
from tests.recorded import NOON_US, insert_inspections
from tests.recording_databases import PostgresServer

SORTS = "USE TEMP B-TREE FOR ORDER BY"
AFTER = Cursor(NOON_US, 5)


def plan_of(record: Record, filters: Filters, after: Cursor | None = AFTER) -> list[str]:
    with record.database.reading() as connection:
        query = paths.newest(connection, filters, after, 10)
        seen: list[str] = []

        def explain(connection, cursor, statement, parameters, context, many):  # type: ignore[no-untyped-def]
            how = "EXPLAIN QUERY PLAN" if record.database.is_sqlite else "EXPLAIN"
            return f"{how} {statement}", parameters

        engine = connection.engine
        event.listen(engine, "before_cursor_execute", explain, retval=True)
        try:
            seen += [row[-1] for row in connection.execute(query)]
        finally:
            event.remove(engine, "before_cursor_execute", explain)
    return seen


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        (Filters(), "inspections_at"),
        (Filters(since_us=1), "inspections_at"),
        (Filters(model="nut"), "inspections_model"),
        (Filters(model="nut", version="1"), "inspections_version"),
        (Filters(verdict="reject"), "inspections_verdict"),
        (Filters(verdict="undecided"), "inspections_undecided"),
        (Filters(judgement="good"), "inspections_judgement"),
        (Filters(judgement="none"), "inspections_unjudged"),
        (Filters(station="north"), "inspections_station"),
        (Filters(lot="a"), "inspections_lot"),
        (Filters(part="P1"), "inspections_part"),
        (Filters(sha256="0a" * 32), "inspections_sha256"),
        (Filters(kept="near"), "inspections_kept"),
        (Filters(kept="any"), "inspections_kept"),
        (Filters(station="north", verdict="reject"), "inspections_station_verdict"),
        (Filters(lot="a", verdict="reject"), "inspections_lot_verdict"),
        (Filters(model="nut", judgement="good"), "inspections_model_judgement"),
        (Filters(model="nut", judgement="none"), "inspections_model_unjudged"),
    ],
)
def test_a_page_begins_where_its_index_does(
    sqlite_record: Record, filters: Filters, index: str
) -> None:
    plan = " | ".join(plan_of(sqlite_record, filters))
    assert f"INDEX {index} " in f"{plan} "
    if filters.kept != "any":
        assert SORTS not in plan and "SCAN" not in plan


def test_a_request_is_found_by_its_id(sqlite_record: Record) -> None:
    plan = " | ".join(plan_of(sqlite_record, Filters(request_id="x")))
    assert "inspections_request (request_id=?)" in plan


@pytest.mark.parametrize(
    ("bound", "index"), [(2, "inspections_at"), (1000, "inspections_score")], ids=["many", "few"]
)
def test_scores_are_found_by_score_where_they_are_few(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch, bound: int, index: str
) -> None:
    monkeypatch.setattr(paths, "_NEWEST", 2)
    monkeypatch.setattr(paths, "_MANY", bound)
    insert_inspections(sqlite_record, [{"score": 0.9}] * 8 + [{"score": 0.1}] * 8)
    plan = " | ".join(plan_of(sqlite_record, Filters(score_min=0.5), None))
    assert f"COVERING INDEX {index}" in plan


def test_scores_that_the_newest_have_are_found_by_time(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "_NEWEST", 20)
    insert_inspections(sqlite_record, [{"score": 0.9}] * 30)
    plan = " | ".join(plan_of(sqlite_record, Filters(score_min=0.5), None))
    assert "COVERING INDEX inspections_at" in plan


def test_the_rarest_of_several_filters_leads(sqlite_record: Record) -> None:
    insert_inspections(
        sqlite_record,
        [{"station": "north", "model": "nut"}] * 30 + [{"station": "north", "model": "bolt"}] * 2,
    )
    plan = " | ".join(plan_of(sqlite_record, Filters(station="north", model="bolt"), None))
    assert "(model=?" in plan and "station=?" not in plan


@pytest.mark.postgresql
def test_postgresql_finds_what_is_long_ago_by_the_index_of_its_value(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    record = open_record(tmp_path, postgres.new_url())
    assert record is not None
    # By its statistics the station is everywhere, and soon found by time.
    insert_inspections(
        record,
        [
            {"at_us": NOON_US + number, "station": "gone" if number < 150 else "north"}
            for number in range(1000)
        ],
    )
    with record.database.writing() as connection:
        connection.execute(text("ANALYZE inspections"))
    plan = " | ".join(plan_of(record, Filters(station="gone"), Cursor(NOON_US + 900, 0)))
    record.close()
    assert "using inspections_station on" in plan and "station, at_us" in plan
