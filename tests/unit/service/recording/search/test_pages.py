"""Pages of inspections by filters, in SQLite and PostgreSQL."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from sqlalchemy import delete

from takt.core.errors import InspectionNotFoundError, InvalidParameterError
from takt.recording.keeping import CHOSEN
from takt.recording.record import Record
from takt.recording.search import paths
from takt.recording.search.filters import Filters
from takt.recording.search.pages import (
    Neighbours,
    count_of,
    inspection_of,
    neighbours_of,
    page_of,
)
from takt.recording.tables import inspections
from tests.recorded import NOON_US, SOURCE, insert_inspections

MEET: dict[str, Any] = {
    "since_us": lambda row, value: row["at_us"] >= value,
    "until_us": lambda row, value: row["at_us"] < value,
    "verdict": lambda row, value: (
        row["undecided"] is not None
        if value == "undecided"
        else row["anomalous"] is (value == "reject")
    ),
    "judgement": lambda row, value: (row["judgement"] or "none") == value,
    "score_min": lambda row, value: row["score"] >= value,
    "score_max": lambda row, value: row["score"] <= value,
    "kept": lambda row, value: row["kept"] == value or (value == "any" and row["kept"] in CHOSEN),
    "sha256": lambda row, value: row["sha256"] == bytes.fromhex(value),
}


REASON = '{"fact":"brightness","value":3.0,"low":61.0,"high":200.0,"text":"too dark"}'


def meets(row: dict[str, Any], filters: Filters) -> bool:
    """Whether the filters want a row, told in the plainest way."""
    given = {name: getattr(filters, name) for name in filters.given}
    return all(
        MEET.get(name, lambda row, value, name=name: row[name] == value)(row, value)
        for name, value in given.items()
    )


def rows_of_a_line(count: int) -> list[dict[str, Any]]:
    rng = random.Random(1)
    rows = []
    for number in range(count):
        score = rng.random()
        rows.append(
            {
                # Several of the same µs.
                "at_us": NOON_US + number // 3 * 1_000_000,
                "model": rng.choice(["bolt", "nut"]),
                "version": rng.choice(["1", "2"]),
                "score": score,
                "anomalous": score > 0.5,
                "station": rng.choice(["north", "south", None]),
                "lot": rng.choice(["a", "b", None]),
                "part": f"P{number // 2}",
                "request_id": f"request-{number}",
                "judgement": rng.choice(["defect", "good", "unsure", None]),
                "kept": rng.choice(["reject", "near", "sample", "recent", None]),
                "sha256": rng.choice([bytes(32), bytes([171] * 32), None]),
                "undecided": REASON if score > 0.7 else None,
            }
        )
    return rows


ASKED: list[Filters] = [
    Filters(),
    Filters(since_us=NOON_US + 10_000_000),
    Filters(until_us=NOON_US + 10_000_000),
    Filters(since_us=NOON_US + 5_000_000, until_us=NOON_US + 9_000_000),
    Filters(model="nut"),
    Filters(model="nut", version="2"),
    Filters(verdict="reject"),
    Filters(verdict="pass"),
    Filters(verdict="undecided"),
    Filters(station="north", verdict="undecided"),
    Filters(model="nut", verdict="undecided", score_max=0.9),
    Filters(judgement="defect"),
    Filters(judgement="none"),
    Filters(station="north"),
    Filters(lot="b"),
    Filters(part="P3"),
    Filters(request_id="request-17"),
    Filters(sha256="ab" * 32),
    Filters(sha256="AB" * 32, model="nut", station="north"),
    Filters(sha256="cd" * 32, lot="a"),
    Filters(kept="near"),
    Filters(kept="recent"),
    Filters(kept="recent", station="north"),
    Filters(kept="any"),
    Filters(score_min=0.8),
    Filters(score_max=0.1),
    Filters(score_min=0.4, score_max=0.6),
    Filters(score_min=2.0),
    Filters(station="north", verdict="reject"),
    Filters(model="bolt", judgement="unsure"),
    Filters(model="bolt", judgement="none"),
    Filters(lot="a", verdict="pass"),
    Filters(station="north", lot="b", model="nut"),
    Filters(kept="any", verdict="pass", score_min=0.3),
    Filters(score_min=0.2, score_max=0.9, since_us=NOON_US + 4_000_000, kept="sample"),
    Filters(judgement="none", station="south", verdict="reject", until_us=NOON_US + 20_000_000),
]


@pytest.fixture(params=["few", "many"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds by which some dozen rows are few, and by which they are many."""
    if request.param == "many":
        for name in ("_FEW", "_NEWEST", "_MANY"):
            monkeypatch.setattr(paths, name, 2)


@pytest.mark.usefixtures("ways")
def test_pages_have_what_the_filters_want_the_newest_first_and_each_once(record: Record) -> None:
    rows = rows_of_a_line(90)
    ids = insert_inspections(record, rows)
    numbered = sorted(
        zip(ids, rows, strict=True), key=lambda one: (one[1]["at_us"], one[0]), reverse=True
    )
    for filters in ASKED:
        wanted = [number for number, row in numbered if meets(row, filters)]
        for limit in (7, 1000):
            found, cursor = [], None
            for _ in itertools.count():
                with record.database.reading() as connection:
                    page = page_of(connection, filters, limit=limit, after=cursor)
                found += [one.id for one in page.inspections]
                cursor = page.next
                if cursor is None:
                    break
                assert len(page.inspections) == limit
            assert found == wanted, (filters, limit)
        with record.database.reading() as connection:
            assert count_of(connection, filters) == len(wanted)


def test_what_is_new_meanwhile_moves_no_page(record: Record) -> None:
    old = insert_inspections(record, [{"at_us": NOON_US + number} for number in range(4)])
    with record.database.reading() as connection:
        first = page_of(connection, Filters(), limit=2)
    insert_inspections(record, [{"at_us": NOON_US + 100}])
    with record.database.reading() as connection:
        second = page_of(connection, Filters(), limit=2, after=first.next)
    assert [one.id for one in (*first.inspections, *second.inspections)] == old[::-1]
    assert second.next is None


def test_an_inspection_comes_back_with_all_that_was_stored(record: Record) -> None:
    (number,) = insert_inspections(
        record,
        [
            {
                "anomalous": True,
                "regions": '[{"box":[1,2,3,4],"area":9,"peak":0.75}]',
                "warnings": "other_size,small_picture",
                "sha256": bytes(range(32)),
                "tags": '{"shift":"early"}',
                "station": "north",
                "judgement": "defect",
                "judged_at_us": NOON_US + 1,
            }
        ],
    )
    with record.database.reading() as connection:
        found = inspection_of(connection, number)
    assert found.at.isoformat() == "2026-03-01T12:00:00+00:00"
    assert found.judged_at is not None and found.judged_at.microsecond == 1
    (region,) = found.regions
    assert (region.box.height, region.area_px, region.peak) == (4, 9, 0.75)
    assert found.warnings == ("other_size", "small_picture")
    assert found.sha256 == bytes(range(32)).hex()
    assert found.tags == {"shift": "early"}
    assert found.runtime == SOURCE["runtime"] and found.anomalous is True and found.kept is None


def test_an_inspection_that_is_not_there_is_named(sqlite_record: Record) -> None:
    with (
        sqlite_record.database.reading() as connection,
        pytest.raises(InspectionNotFoundError, match="no inspection 7"),
    ):
        inspection_of(connection, 7)


@pytest.mark.parametrize("limit", [0, 1001])
def test_a_page_is_bounded(sqlite_record: Record, limit: int) -> None:
    with (
        sqlite_record.database.reading() as connection,
        pytest.raises(InvalidParameterError, match="limit"),
    ):
        page_of(connection, Filters(), limit=limit)


def test_counting_ends_at_a_bound(sqlite_record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("takt.recording.search.pages.MOST_COUNTED", 3)
    insert_inspections(sqlite_record, [{}] * 5)
    with sqlite_record.database.reading() as connection:
        assert count_of(connection, Filters()) == 3


def test_neighbours_are_next_to_a_number_whatever_has_been_removed(record: Record) -> None:
    one, two, three = insert_inspections(record, rows_of_a_line(3))
    with record.database.writing() as connection:
        connection.execute(delete(inspections).where(inspections.c.id == two))
    with record.database.reading() as connection:
        assert neighbours_of(connection, one) == Neighbours(None, three)
        assert neighbours_of(connection, two) == Neighbours(one, three)
        assert neighbours_of(connection, three) == Neighbours(one, None)
