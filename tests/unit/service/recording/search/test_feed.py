"""New inspections are told once each, in whatever order they become visible."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import insert

from takt.core.errors import ConflictError, InvalidParameterError
from takt.recording.record import Record
from takt.recording.retention import Retention, RetentionRule
from takt.recording.search import feed as module
from takt.recording.search.feed import feed_of, settled_end
from takt.recording.search.filters import Filters
from takt.recording.tables import inspections
from tests.recorded import NOON_US, ROW, insert_inspections
from tests.workers import eventually

ALL = Filters()


def told(record: Record, after: int, filters: Filters = ALL, limit: int = 100) -> list[int]:
    """The numbers of what comes after one, and where the next call goes on."""
    with record.database.reading() as connection:
        found = feed_of(connection, filters, after=after, limit=limit)
    return [*(one.id for one in found.inspections), found.after]


def end_of(record: Record) -> int:
    with record.database.reading() as connection:
        return settled_end(connection)


def test_what_came_since_is_told_in_the_order_of_its_numbers(record: Record) -> None:
    assert told(record, 0) == [0]
    ids = insert_inspections(record, [{"at_us": NOON_US - number} for number in range(3)])
    assert told(record, 0) == [*ids, ids[-1]]
    assert told(record, ids[0]) == [*ids[1:], ids[-1]]
    assert told(record, ids[-1]) == [ids[-1]]


def test_a_page_ends_where_the_next_one_begins(record: Record) -> None:
    ids = insert_inspections(record, [{}] * 5)
    assert told(record, 0, limit=2) == [ids[0], ids[1], ids[1]]
    assert told(record, ids[1], limit=3) == [*ids[2:], ids[4]]


def test_what_a_filter_leaves_out_is_passed_over_for_good(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOKED_AT", 4)
    stations = ["north", *["south"] * 8, "north"]
    ids = insert_inspections(record, [{"station": station} for station in stations])
    north = Filters(station="north")
    found, after = [], 0
    for _ in range(3):
        *some, after = told(record, after, north)
        found += some
    assert found == [ids[0], ids[9]]
    assert after == ids[9]


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize(
    "record", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
def test_nothing_is_told_beyond_a_number_that_may_still_come(record: Record, commits: bool) -> None:
    (first,) = insert_inspections(record, [{}])
    engine = record.database._engine
    with record.database.reading() as connection:
        source_id = connection.execute(inspections.select()).one().source_id
    with engine.connect() as slow:
        transaction = slow.begin()
        done = slow.execute(insert(inspections).values({**ROW, "source_id": source_id}))
        (late,) = done.inserted_primary_key or ()
        (quick,) = insert_inspections(record, [{}])
        assert late < quick
        # It waits a moment for the slow one, and tells nothing meanwhile.
        assert told(record, first) == [first]
        if commits:
            transaction.commit()
        else:
            transaction.rollback()
    assert told(record, first) == [*([late] if commits else []), quick, quick]


def test_every_inspection_of_several_writers_is_told_once(record: Record) -> None:
    insert_inspections(record, [{}])
    begin, writers = end_of(record), 3
    written: list[int] = []

    def write() -> None:
        for _ in range(15):
            written.extend(insert_inspections(record, [{}] * 3))

    threads = [threading.Thread(target=write) for _ in range(writers)]
    for thread in threads:
        thread.start()
    found: list[int] = []
    after = begin

    def all_there() -> bool:
        nonlocal after
        *some, after = told(record, after, limit=7)
        found.extend(some)
        return len(found) >= writers * 45

    eventually(all_there)
    for thread in threads:
        thread.join()
    assert found == sorted(written)


def test_numbers_are_not_given_again_where_retention_removes_all_there_is(record: Record) -> None:
    ids = insert_inspections(record, [{}] * 3)
    day_us = 86_400_000_000
    Retention(record, RetentionRule(record_days=1)).sweep(NOON_US + 2 * day_us)
    assert end_of(record) == ids[-1]
    (new,) = insert_inspections(record, [{}])
    assert told(record, ids[-1]) == [new, new]


def test_a_number_beyond_the_end_is_refused_as_it_is_of_another_record(record: Record) -> None:
    (last,) = insert_inspections(record, [{}])
    with pytest.raises(ConflictError, match=f"ends at {last}"):
        told(record, last + 1)


@pytest.mark.parametrize("limit", [0, 1001])
def test_a_limit_out_of_range_is_refused(sqlite_record: Record, limit: int) -> None:
    with pytest.raises(InvalidParameterError, match="limit"):
        told(sqlite_record, 0, limit=limit)
