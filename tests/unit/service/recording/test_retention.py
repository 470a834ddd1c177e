"""What retention removes, and what it leaves."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import select

from service.core.errors import ConfigurationError
from service.recording.pictures import PictureKey
from service.recording.record import Record
from service.recording.retention import Retention, RetentionRule, Swept
from service.recording.tables import inspections, judgements
from tests.recorded import NOON_US, insert_inspections

DAY_US = 86_400_000_000


def picture(number: int) -> bytes:
    return b"\xff\xd8 %d" % number


def keep(record: Record, number: int, days_ago: float, *, pinned: bool = False) -> int:
    """Store an inspection with its picture."""
    data, at_us = picture(number), NOON_US - int(days_ago * DAY_US)
    digest = hashlib.sha256(data)
    record.pictures.write(PictureKey(at_us, digest.hexdigest(), "jpeg"), data)
    row = {"at_us": at_us, "sha256": digest.digest(), "kept": "reject", "picture": True}
    return insert_inspections(record, [row | {"pinned": pinned}])[0]


def sweep(record: Record, rule: RetentionRule) -> Swept:
    return Retention(record, rule).sweep(NOON_US)


def with_pictures(record: Record) -> list[int]:
    """Ids of the inspections whose pictures are there; the files have to be theirs."""
    with record.database.reading() as connection:
        rows = connection.execute(select(inspections).order_by(inspections.c.id)).all()
    there = [row for row in rows if row.picture]
    paths = {PictureKey(row.at_us, row.sha256.hex(), row.input_format).path for row in there}
    assert {path for path, _ in record.pictures.files()} == paths
    return [row.id for row in there]


def test_old_pictures_go_and_their_rows_stay(record: Record) -> None:
    keep(record, 1, days_ago=91)
    young = keep(record, 2, days_ago=89)
    swept = sweep(record, RetentionRule.read("days=90"))
    assert (swept.pictures, swept.bytes, swept.rows) == (1, len(picture(1)), 0)
    assert with_pictures(record) == [young]
    with record.database.reading() as connection:
        kept = connection.execute(select(inspections.c.kept)).scalars().all()
    # How it was chosen stays known.
    assert kept == ["reject", "reject"]


def test_the_oldest_go_where_they_are_too_many(record: Record) -> None:
    ids = [keep(record, number, days_ago=10 - number) for number in range(5)]
    sweep(record, RetentionRule.read("pictures=2"))
    assert with_pictures(record) == ids[3:]


def test_the_oldest_go_where_they_take_too_much_disk(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.recording.retention._AT_ONCE", 10)
    ids = [keep(sqlite_record, number, days_ago=10 - number) for number in range(5)]
    rule = RetentionRule(bytes=2 * len(picture(1)))
    sweep(sqlite_record, rule)
    assert with_pictures(sqlite_record) == ids[3:]


def test_a_pinned_picture_stays_whatever_its_age(record: Record) -> None:
    pinned = keep(record, 1, days_ago=900, pinned=True)
    keep(record, 2, days_ago=800)
    sweep(record, RetentionRule.read("days=90,pictures=0,gb=0,record_days=400"))
    assert with_pictures(record) == [pinned]


def test_a_file_of_two_inspections_goes_with_the_last_one(record: Record) -> None:
    keep(record, 1, days_ago=90.9)
    late = keep(record, 1, days_ago=90.6)
    sweep(record, RetentionRule.read("days=90.8"))
    assert with_pictures(record) == [late]
    assert sweep(record, RetentionRule.read("days=1")).pictures == 1
    assert with_pictures(record) == []


def test_old_rows_go_with_their_pictures_and_judgements(record: Record) -> None:
    old = keep(record, 1, days_ago=401)
    young = keep(record, 2, days_ago=399)
    with record.database.writing() as connection:
        connection.execute(
            judgements.insert(),
            [
                {"inspection_id": one, "at_us": 0, "reviewer": "ada", "judgement": "good"}
                for one in (old, young)
            ],
        )
    swept = sweep(record, RetentionRule.read("record_days=400"))
    assert (swept.rows, swept.pictures) == (1, 1)
    assert with_pictures(record) == [young]
    with record.database.reading() as connection:
        assert connection.execute(select(judgements.c.inspection_id)).scalars().all() == [young]


def test_many_rows_go_in_several_transactions(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.recording.retention._AT_ONCE", 3)
    for number in range(8):
        keep(sqlite_record, number, days_ago=500)
    assert sweep(sqlite_record, RetentionRule.read("record_days=400")).rows == 8


@pytest.mark.parametrize("text", ["", "days", "days=x", "weeks=2", "gb=-1", "days=1,days=2"])
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="record_days"):
        RetentionRule.read(text)
