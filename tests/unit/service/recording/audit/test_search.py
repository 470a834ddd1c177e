"""Entries of the audit log that filters want, in both databases."""

from __future__ import annotations

import csv
import io

import pytest

from takt.core.errors import InvalidParameterError
from takt.recording.audit import search
from takt.recording.audit.chain import append
from takt.recording.audit.entry import Change
from takt.recording.audit.search import AuditCsv, AuditFilters, page_of
from takt.recording.record import Record
from takt.recording.review.judging import NewJudgement, judge, withdraw
from takt.recording.review.marks import pin
from tests.recorded import insert_inspections
from tests.unit.service.recording.audit.chains import a_change, tamper


def store(record: Record, *changes: Change) -> None:
    with record.database.writing() as connection:
        append(connection, *changes)


def seqs(
    record: Record, limit: int = 100, before: int | None = None, **wanted: object
) -> list[int]:
    filters = AuditFilters(**wanted)  # type: ignore[arg-type]
    with record.database.reading() as connection:
        page = page_of(connection, filters, limit=limit, before=before)
        return [entry.seq for entry in page.entries]


def test_entries_are_found_by_time_and_model(record: Record) -> None:
    store(record, *(a_change(at_us=at_us) for at_us in (10, 20, 30)))
    store(record, a_change(at_us=15, model="nuts"), Change("server", "server_stopped", at_us=40))
    assert seqs(record, since_us=20) == [5, 3, 2]
    assert seqs(record, until_us=20) == [4, 1]
    assert seqs(record, since_us=15, until_us=30) == [4, 2]
    assert seqs(record, model="nuts") == [4]
    assert seqs(record, model="parts", since_us=20) == [3, 2]
    assert seqs(record, model="bolts") == []


def test_entries_about_one_inspection_are_found_however_they_name_it(record: Record) -> None:
    kept = {"kept": "reject", "picture": True, "anomalous": True}
    ids = insert_inspections(record, [kept] * 12)
    one, other = ids[0], ids[-1]
    box = NewJudgement("defect", "ann", note=f"as {one},{one}")
    judge(record.database, [other], box)
    judge(record.database, [one, other], NewJudgement("good", "ann"))
    withdraw(record.database, [one], "ann")
    pin(record.database, one, pinned=True, who="bob")
    store(record, a_change(new={"image": 0.1, "note": one}))
    # Twelve has the digits of one in it, and so has the note.
    assert seqs(record, inspection=one) == [4, 3, 2]
    assert seqs(record, inspection=other) == [2, 1]
    assert seqs(record, inspection=77) == []
    assert seqs(record, inspection=one, limit=1, before=4) == [3]


def test_a_page_says_where_the_next_one_begins_and_the_last_one_nothing(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "CHUNK", 2)
    models = ("parts", "nuts", "parts", "nuts", "parts", "parts")
    store(record, *(a_change(model=model) for model in models))
    pages, before = [], None
    with record.database.reading() as connection:
        while not pages or before is not None:
            page = page_of(connection, AuditFilters(model="parts"), limit=2, before=before)
            pages.append([entry.seq for entry in page.entries])
            before = page.before
    assert pages == [[6, 5], [3, 1]]


def test_an_entry_that_somebody_damaged_is_about_no_inspection(sqlite_record: Record) -> None:
    (one,) = insert_inspections(sqlite_record, [{}])
    for _ in range(3):
        judge(sqlite_record.database, [one], NewJudgement("good", "ann"))
    tamper(
        sqlite_record,
        f"UPDATE audit SET new = 'not {one}' WHERE seq = 1",
        f"UPDATE audit SET new = '[{one}]', old = NULL WHERE seq = 2",
    )
    assert seqs(sqlite_record, inspection=one) == [3]


def test_csv_has_all_entries_and_no_formula(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "CHUNK", 2)
    store(record, *(a_change(reason=f"=1+{number}", at_us=number) for number in range(5)))
    file, parts = AuditCsv(AuditFilters(since_us=1)), []
    while not file.ended:
        with record.database.reading() as connection:
            parts.append(file.part(connection))
    assert len(parts) == 2
    lines = list(csv.DictReader(io.StringIO(b"".join(parts).decode())))
    assert [line["seq"] for line in lines] == ["5", "4", "3", "2"]
    assert lines[0]["reason"] == "'=1+4"
    assert lines[0]["at"] == "1970-01-01T00:00:00.000004Z"
    assert lines[0]["new"].startswith('{"image":')


@pytest.mark.parametrize("wanted", [{"model": "a\nb"}, {"model": "x" * 257}, {"since_us": 2**63}])
def test_a_filter_that_nothing_can_meet_is_refused(wanted: dict[str, object]) -> None:
    with pytest.raises(InvalidParameterError):
        AuditFilters(**wanted)  # type: ignore[arg-type]
