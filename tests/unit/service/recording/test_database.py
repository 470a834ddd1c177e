"""The database of the record: its tables, and its errors."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, text

from takt.core.errors import ConfigurationError, RecordError
from takt.recording.database import HEAD, Database, NewerRecordError
from takt.recording.migrations.upgrade import upgrade
from takt.recording.pictures import PictureKey, sha256_of
from takt.recording.record import Record, existing_record, open_record
from takt.recording.tables import metadata, sources

A_SOURCE = {
    "model": "nut",
    "version": "1",
    "digest": "0a",
    "engine": "fake",
    "runtime": "fake 1",
    "processor": "none",
}


def test_the_revisions_make_the_tables_that_the_code_uses(record: Record) -> None:
    with record.database.writing() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD


def test_a_second_opening_changes_nothing(record: Record) -> None:
    with record.database.writing() as connection:
        connection.execute(insert(sources), [A_SOURCE])
    again = Database(record.database._engine.url.render_as_string(hide_password=False))
    with again.reading() as connection:
        assert len(connection.execute(select(sources)).all()) == 1
    again.close()


def test_a_failed_block_changes_nothing(record: Record) -> None:
    with pytest.raises(ValueError), record.database.writing() as connection:
        connection.execute(insert(sources), [A_SOURCE])
        raise ValueError
    with record.database.reading() as connection:
        assert connection.execute(select(sources)).all() == []


def test_a_refused_row_is_an_error_of_ours(record: Record) -> None:
    with pytest.raises(RecordError), record.database.writing() as connection:
        connection.execute(insert(sources), [A_SOURCE])
        connection.execute(insert(sources), [A_SOURCE])


def test_a_record_of_a_newer_release_is_refused(record: Record) -> None:
    with record.database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    url = record.database._engine.url.render_as_string(hide_password=False)
    again = Database(url)
    with pytest.raises(NewerRecordError, match=r"by a newer release .*9999"):
        again.prepare()
    again.close()


def test_sqlite_writes_ahead_and_knows_foreign_keys(sqlite_record: Record) -> None:
    with sqlite_record.database.reading() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_what_is_written_durably_waits_for_the_disk_and_nothing_else_does(
    sqlite_record: Record,
) -> None:
    for durable in (False, True, True, False):
        with sqlite_record.database.writing(durable=durable) as connection:
            level = connection.execute(text("PRAGMA synchronous")).scalar()
        # 1: the disk is waited for now and then; 2: at the end of each transaction.
        assert level == (2 if durable else 1)


def test_a_file_that_is_no_database_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "record.sqlite").write_bytes(b"nonsense" * 1000)
    record = open_record(tmp_path, "sqlite")
    assert record is not None
    with pytest.raises(RecordError, match="not a database"):
        record.database.prepare()
    record.close()


def test_a_locked_database_is_an_error_of_ours_after_a_while(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt.recording.database._BUSY_S", 0.01)
    folder = sqlite_record.pictures.folder.parent
    sqlite_record.database.prepare()
    other = sqlite3.connect(folder / "record.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    late = open_record(folder, "sqlite")
    assert late is not None
    with pytest.raises(RecordError, match="locked"), late.database.writing():
        pass
    other.execute("ROLLBACK")
    other.close()
    with late.database.writing():
        pass
    late.close()


@pytest.mark.parametrize("url", ["mysql://host/db", "nonsense", "oracle://x"])
def test_a_database_of_another_kind_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="postgresql://"):
        open_record(tmp_path, url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://takt:secret@127.0.0.1:1/x",
        "postgresql://127.0.0.1:1/x?user=takt&password=secret",
        "postgresql://takt@127.0.0.1:1/x?sslpassword=secret",
        "postgresql://takt:pass@secret@127.0.0.1:1/x",
        "postgresql://takt:secret@127.0.0.1:port/x",
        "postgresql://127.0.0.1:port/x?password=secret",
        "postgres//takt:pass@secret@127.0.0.1/x",
        "mysql://takt:secret@127.0.0.1/x",
    ],
)
def test_a_password_is_in_no_message(url: str, tmp_path: Path) -> None:
    with pytest.raises((RecordError, ConfigurationError)) as caught:
        record = open_record(tmp_path, url)
        assert record is not None
        with closing(record):
            record.database.prepare()
    assert "secret" not in str(caught.value)


def test_a_command_says_where_no_record_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--data-folder"):
        existing_record(tmp_path, "sqlite")


@pytest.mark.postgresql
def test_an_older_record_keeps_what_it_has_when_it_is_brought_up_to_date(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    for url in (
        f"sqlite:///{tmp_path}/record.sqlite",
        request.getfixturevalue("postgres").new_url(),
    ):
        older = Database(url)
        with older._engine.connect() as connection, connection.begin():
            upgrade(connection, "0001")
            connection.execute(insert(sources), [A_SOURCE])
        older.close()
        newer = Database(url)
        with newer.reading() as connection:
            assert connection.execute(select(sources.c.model)).scalars().all() == ["nut"]
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
        newer.close()


def test_what_a_record_writes_is_for_the_servers_user_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    record = open_record(data, "sqlite")
    assert record is not None
    picture = b"BM and so on"
    record.pictures.write(PictureKey(0, sha256_of(picture), "bmp"), picture)
    with record.database.writing() as connection:
        connection.execute(insert(sources), [A_SOURCE])
        modes = {
            str(place.relative_to(tmp_path)): oct(place.stat().st_mode & 0o777)
            for place in tmp_path.rglob("*")
        }
    record.close()
    folders = {name for name, mode in modes.items() if (tmp_path / name).is_dir()}
    assert {"data", "data/pictures/1970/01/01"} <= folders
    assert {"data/record.sqlite", "data/record.sqlite-wal"} <= modes.keys()
    assert {modes[name] for name in folders} == {"0o700"}
    assert {modes[name] for name in modes.keys() - folders} == {"0o600"}


def test_what_has_to_be_on_the_disk_is_so_where_the_database_would_not_wait_for_it(
    record: Record,
) -> None:
    if record.database.is_sqlite:
        asked, behind, first = "PRAGMA synchronous", 1, 2
    else:
        asked, behind, first = "SHOW synchronous_commit", "off", "on"
        record.database.prepare()
        name = record.database._engine.url.database
        with record.database.writing() as connection:
            connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
        record.database.close()
    for _ in range(2):
        with record.database.writing() as connection:
            assert connection.scalar(text(asked)) == behind
        with record.database.writing(durable=True) as connection:
            assert connection.scalar(text(asked)) == first
