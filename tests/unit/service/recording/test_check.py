"""Rows and pictures that do not agree are found, and put right."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from takt.commands.records.command import records
from takt.core.errors import RecordError
from takt.recording import check as check_module
from takt.recording.check import Checked, check_record, repair
from takt.recording.pictures import PictureKey
from takt.recording.record import Record, open_record
from takt.recording.retention import Retention, RetentionRule
from takt.recording.tables import inspections
from tests.recorded import NOON_US, only_read
from tests.unit.service.recording.test_retention import keep, picture


def old(path: Path) -> Path:
    os.utime(path, (0, 0))
    return path


def file_of(record: Record, number: int) -> Path:
    (file,) = [
        record.pictures.folder / path
        for path, _ in record.pictures.files()
        if (record.pictures.folder / path).read_bytes() == picture(number)
    ]
    return file


def test_a_record_that_agrees_is_clean(record: Record) -> None:
    keep(record, 1, days_ago=1)
    keep(record, 2, days_ago=2)
    assert check_record(record, content=True) == Checked(2, 2, (), (), ())


def test_a_picture_that_is_gone_is_found_and_its_row_says_so_afterwards(record: Record) -> None:
    first, second = keep(record, 1, days_ago=1), keep(record, 2, days_ago=2)
    file_of(record, 1).unlink()
    checked = check_record(record)
    assert checked.missing == (first,)
    repair(record, checked)
    assert check_record(record).clean
    with record.database.reading() as connection:
        query = select(inspections.c.id).where(inspections.c.picture)
        assert connection.execute(query).scalars().all() == [second]


def test_a_recent_picture_that_is_gone_was_never_kept_afterwards(record: Record) -> None:
    keep(record, 1, days_ago=1, kept="recent")
    file_of(record, 1).unlink()
    repair(record, check_record(record))
    with record.database.reading() as connection:
        query = select(inspections.c.kept, inspections.c.picture)
        assert tuple(connection.execute(query).one()) == (None, False)


def test_pictures_of_no_row_and_half_written_ones_go_once_they_are_old(
    sqlite_record: Record,
) -> None:
    keep(sqlite_record, 1, days_ago=1)
    folder = file_of(sqlite_record, 1).parent
    (folder / "ab.jpg").write_bytes(b"of nobody")
    (folder / ".cd.jpg.1234.part").write_bytes(b"half")
    assert check_record(sqlite_record).clean
    old(folder / "ab.jpg")
    old(folder / ".cd.jpg.1234.part")
    checked = check_record(sqlite_record)
    assert [Path(path).name for path in checked.orphans] == [".cd.jpg.1234.part", "ab.jpg"]
    repair(sqlite_record, checked)
    assert check_record(sqlite_record) == Checked(1, 1, (), (), ())


def orphan_of(record: Record) -> Path:
    """A picture without a row that is old enough to be taken for left over."""
    keep(record, 1, days_ago=1)
    path = file_of(record, 1).parent / f"{'ab' * 32}.jpg"
    path.write_bytes(b"of nobody")
    return old(path)


def test_a_picture_that_may_wait_for_its_row_stays_while_the_database_takes_nothing(
    record: Record,
) -> None:
    path = orphan_of(record)
    checked = check_record(record)
    assert len(checked.orphans) == 1
    only_read(record)
    assert check_record(record) == checked
    with pytest.raises(RecordError, match=r"read-?only"):
        repair(record, checked)
    assert path.exists()


def test_a_picture_whose_row_has_come_since_the_check_stays(sqlite_record: Record) -> None:
    keep(sqlite_record, 1, days_ago=1)
    checked = check_record(sqlite_record)
    (path,) = [path for path, _ in sqlite_record.pictures.files()]
    repair(sqlite_record, replace(checked, orphans=(path,)))
    assert check_record(sqlite_record) == checked


def test_a_picture_that_was_young_as_a_long_check_began_is_no_orphan_at_its_end(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(sqlite_record, 1, days_ago=1)
    (file_of(sqlite_record, 1).parent / "ab.jpg").write_bytes(b"waits for its row")
    pictures, now = check_module._pictures, time.time

    def slowly(record: Record) -> Iterator[tuple[int, PictureKey]]:
        yield from pictures(record)
        monkeypatch.setattr(time, "time", lambda: now() + 3600)

    monkeypatch.setattr(check_module, "_pictures", slowly)
    assert check_record(sqlite_record, content=True).clean


@pytest.mark.parametrize("content", [False, True])
def test_a_recent_picture_that_goes_while_it_is_looked_at_is_not_missing(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch, content: bool
) -> None:
    keep(sqlite_record, 1, days_ago=1)
    for number in (2, 3):
        keep(sqlite_record, number, days_ago=1, kept="recent")
    pictures = check_module._pictures

    def and_then_gone(record: Record) -> Iterator[tuple[int, PictureKey]]:
        found = list(pictures(record))
        Retention(record, RetentionRule(recent_bytes=0)).sweep(NOON_US)
        yield from found

    monkeypatch.setattr(check_module, "_pictures", and_then_gone)
    assert check_record(sqlite_record, content=content).clean


def test_a_changed_picture_is_found_by_its_content_and_stays(sqlite_record: Record) -> None:
    number = keep(sqlite_record, 1, days_ago=1)
    file = file_of(sqlite_record, 1)
    file.write_bytes(b"\xff\xd8 another part")
    assert check_record(sqlite_record).clean
    checked = check_record(sqlite_record, content=True)
    assert checked.changed == (number,)
    repair(sqlite_record, checked)
    assert file.is_file()


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    record = open_record(tmp_path, "sqlite")
    assert record is not None
    for number in range(300):
        keep(record, number, days_ago=1)
    record.close()
    file = tmp_path / "record.sqlite"
    data = bytearray(file.read_bytes())
    data[8192:32768] = bytes(32768 - 8192)
    file.write_bytes(data)
    with pytest.raises(RecordError, match=r"damaged|malformed"):
        check_record(record)
    record.close()


def test_the_command_names_what_it_finds_and_repairs_when_told(sqlite_record: Record) -> None:
    number = keep(sqlite_record, 1, days_ago=1)
    file_of(sqlite_record, 1).unlink()
    options = ["check", "--data-folder", str(sqlite_record.pictures.folder.parent)]
    options += ["--record", "sqlite"]
    found = CliRunner().invoke(records, options)
    assert found.exit_code == 1
    assert f"1 inspections whose picture is not there: {number}" in found.output
    assert "--repair" in found.output
    assert CliRunner().invoke(records, [*options, "--repair"]).exit_code == 0
    assert "they agree" in CliRunner().invoke(records, options).output
