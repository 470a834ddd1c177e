"""Backups that somebody has changed on their way, with digests that fit."""

from __future__ import annotations

import gzip
import json
import sqlite3
import tarfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from takt.commands.backup import restoring
from takt.commands.backup.restore import restore
from tests.archives import add, change, header, members_in, raw_tar, replace, write_archive
from tests.commands import refused, run
from tests.signing import FOREIGN, OURS, private_pem, trusted
from tests.unit.service.commands.backup.line import KEYS, Line, content
from tests.unit.service.recording.audit.chains import tamper


@pytest.fixture
def taken(line: Line) -> Line:
    """A line whose backup is taken, with a picture."""
    line.keep(b"BM a part")
    assert line.backup().exit_code == 0
    return line


def evil(line: Line) -> Path:
    return line.folder / "somebodys" / "authorized_keys"


@pytest.mark.parametrize("setting", ["keys_file", "data_folder", "repository"])
def test_settings_in_a_backup_decide_no_place_and_are_shown(taken: Line, setting: str) -> None:
    replace(taken.file, "takt.toml", f"{setting} = '{evil(taken)}'\n".encode())
    option = "--" + setting.replace("_", "-")
    others = {
        "--data-folder": taken.new / "data",
        "--repository": taken.new / "models",
        "--keys-file": taken.new / "keys.toml",
        "--config": taken.new / "takt.toml",
    }
    given = [part for name, place in others.items() if name != option for part in (name, place)]
    said = refused(run(restore, taken.file, *given))
    assert str(evil(taken)) in said and option in said
    assert not taken.new.exists() and not evil(taken).parent.exists()


def test_where_options_name_the_places_others_in_the_settings_do_not_matter(taken: Line) -> None:
    replace(taken.file, "takt.toml", f"keys_file = '{evil(taken)}'\n".encode())
    assert taken.restore().exit_code == 0
    assert not evil(taken).parent.exists()


def test_settings_that_are_there_already_name_places(taken: Line) -> None:
    own = f"data_folder = '{taken.new}/data'\nrepository = '{taken.new}/models'\n"
    own += f"keys_file = '{taken.new}/keys.toml'\n"
    replace(taken.file, "takt.toml", own.encode())
    taken.config.write_text(own)
    told = run(restore, taken.file, "--config", taken.config)
    assert told.exit_code == 0, told.output
    assert (taken.new / "data" / "record.sqlite").is_file()


@pytest.mark.parametrize(
    "keys", [b"ssh-ed25519 AAAA me@evil\n", b"version = 1\nkeys = 7\n", b"\xff", b"a." * 9999]
)
def test_keys_that_are_none_are_refused(taken: Line, keys: bytes) -> None:
    replace(taken.file, "keys.toml", keys)
    assert "keys.toml" in refused(taken.restore())
    assert not taken.new.exists()


def test_settings_that_are_none_are_refused(taken: Line) -> None:
    for settings in (
        b"a = " + b"[" * 60_000,
        b"a." * 30_000 + b"b = 1",
        b"port" + b".a" * 1900 + b" = 1",
        b"port = " + b"9" * 5000,
        b"prot = 1",
        b"\xff",
    ):
        replace(taken.file, "takt.toml", settings)
        assert "takt.toml" in refused(taken.restore())
        assert not taken.new.exists()


def test_each_path_that_was_written_is_told(taken: Line) -> None:
    told = taken.restore().output
    for place in ("takt.toml", "keys.toml", "data/record.sqlite", "data/audit-head.json"):
        assert f"{taken.new / place}\n" in told
    assert f"{taken.new / 'data/pictures'}: 1 pictures" in told
    assert f"{taken.new / 'models'}: {len(content(taken.repository))} files of models" in told


@pytest.mark.parametrize("record", ["none", "sqlite", "postgresql"])
def test_guards_go_by_what_is_in_a_backup_and_not_by_what_it_says(taken: Line, record: str) -> None:
    def said(info: tarfile.TarInfo, data: bytes) -> bytes:
        if info.name != "backup.json":
            return data
        return json.dumps(json.loads(data) | {"record": record}).encode()

    change(taken.file, said)
    (taken.new / "data" / "somebodys").mkdir(parents=True)
    (taken.new / "data" / "somebodys" / "file").write_text("dear")
    assert "is not empty" in refused(taken.restore())
    (taken.new / "data" / "somebodys" / "file").unlink()
    told = taken.restore()
    assert told.exit_code == 0 and "3 entries are whole" in told.output, told.output


def test_a_backup_without_the_database_that_it_tells_of_is_refused(taken: Line) -> None:
    replace(taken.file, "data/record.sqlite", None)
    assert "record.sqlite" in refused(taken.restore())
    assert not taken.new.exists()


def heads(**fields: object) -> Callable[[tarfile.TarInfo, bytes], bytes]:
    def set_fields(info: tarfile.TarInfo, data: bytes) -> bytes:
        for name, value in fields.items():
            setattr(info, name, value)
        return data

    return set_fields


@pytest.mark.parametrize("mtime", [2**63, 2**80, -(2**62), 0.5, float("nan"), float("inf"), -1])
def test_a_time_that_no_file_can_have_is_no_trace(taken: Line, mtime: float) -> None:
    change(taken.file, heads(mtime=0, pax_headers={"mtime": str(mtime)}))
    told = taken.restore()
    assert told.exit_code == 0 or refused(told)


@pytest.mark.parametrize(
    "about",
    [
        b"[" * 60_000,
        b'{"format_version": 1, "takt": ' + b"[" * 60_000 + b"}",
        b'{"format_version": 18446744073709551616}',
        b'{"format_version": ' + b"9" * 60_000 + b"}",
        b'{"format_version": 1, "takt": "\\u001b[2J", "made_at": "x", "record": "none"}',
        b"null",
        b"",
    ],
)
def test_a_head_that_is_none_is_refused(taken: Line, about: bytes) -> None:
    replace(taken.file, "backup.json", about)
    refused(taken.restore())
    assert not taken.new.exists()


@pytest.mark.parametrize(
    "head",
    [
        b'{"seq": 9223372036854775808, "hash": "' + b"0" * 64 + b'"}',
        b'{"seq": 18446744073709551616, "hash": "' + b"0" * 64 + b'"}',
        b"[" * 60_000,
        b" " * (1 << 21),
    ],
)
def test_a_head_of_the_audit_log_that_is_none_is_refused(taken: Line, head: bytes) -> None:
    replace(taken.file, "data/audit-head.json", head)
    refused(taken.restore())
    assert content(taken.new) == {}


@pytest.mark.parametrize(
    "name",
    [
        "/etc/takt",
        "../outside",
        "models/../../outside",
        "models//x",
        "models/./x",
        "models/.hidden",
        "models/x/",
        "models/" + "a/" * 2000 + "x",
        "models/" + "a" * 2000,
        "models/a\x1b[2J",
        "data/record.sqlite-wal",
        "data/pictures/x.jpg",
        "backup.json",
    ],
)
def test_a_name_that_no_backup_has_is_refused_at_once(taken: Line, name: str) -> None:
    add(taken.file, name)
    began_s = time.process_time()
    refused(taken.restore())
    assert time.process_time() - began_s < 5
    assert not taken.new.exists()


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE,
        tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, b"Z",
    ],
)  # fmt: skip
def test_what_is_no_file_is_refused(taken: Line, kind: bytes) -> None:
    info = tarfile.TarInfo("models/parts/1/link")
    info.type, info.linkname = kind, "/etc/passwd"
    write_archive(taken.file, [*members_in(taken.file), (info, b"")])
    refused(taken.restore())
    assert not taken.new.exists()


@pytest.mark.parametrize(
    "name", ["takt.toml", "keys.toml", "data/record.sqlite", "models/parts/active.json"]
)
def test_a_member_that_is_there_twice_is_refused(taken: Line, name: str) -> None:
    again = [(info, data) for info, data in members_in(taken.file) if info.name == name]
    write_archive(taken.file, [*members_in(taken.file), *again])
    refused(taken.restore())
    assert content(taken.new) == {}


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_a_header_of_any_size_takes_no_memory(taken: Line, kind: bytes) -> None:
    size = 64 << 20
    with gzip.open(taken.file, "wb", 1) as packed:
        packed.write(header(b"././@LongLink", size, kind))
        for _ in range(size >> 20):
            packed.write(bytes(1 << 20))
        packed.write(header(b"backup.json", 0))
    tracemalloc.start()
    refused(taken.restore())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16 << 20


def test_headers_without_an_end_are_refused(taken: Line) -> None:
    again = header(b"x", 12, b"x") + b"12 path=abc\n".ljust(512, b"\0")
    taken.file.write_bytes(gzip.compress(again * 20_000 + raw_tar(taken.file), 1))
    refused(taken.restore())
    assert not taken.new.exists()


def test_what_follows_the_end_is_refused(taken: Line) -> None:
    taken.file.write_bytes(gzip.compress(raw_tar(taken.file) + b"more", 1))
    refused(taken.restore())
    assert not taken.new.exists()


def spoiled(line: Line, *statements: str) -> None:
    """Have the database in a backup be another one."""
    file = line.folder / "spoiled.sqlite"
    ((_, data),) = ((i, d) for i, d in members_in(line.file) if i.name == "data/record.sqlite")
    file.write_bytes(data)
    connection = sqlite3.connect(file, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()
    replace(line.file, "data/record.sqlite", file.read_bytes())


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.mark.parametrize(
    "statements",
    [
        (f"CREATE TRIGGER t AFTER UPDATE ON inspections BEGIN {ENDLESS}; END",),
        (f"CREATE TRIGGER t AFTER UPDATE ON alembic_version BEGIN {ENDLESS}; END",),
        ("ALTER TABLE audit RENAME TO old", f"CREATE VIEW audit AS {ENDLESS}"),
        ("ALTER TABLE inspections RENAME TO o", "CREATE VIEW inspections AS SELECT * FROM o"),
        ("CREATE TABLE mine (id INTEGER)",),
        ("ALTER TABLE audit ADD COLUMN x TEXT AS (hex(zeroblob(1000)))",),
        ("CREATE INDEX mine ON inspections (hex(zeroblob(1000)))",),
        ("DROP INDEX inspections_at",),
        ("UPDATE alembic_version SET version_num = '9999'",),
        ("UPDATE alembic_version SET version_num = '0005'",),
        ("INSERT INTO alembic_version VALUES ('0001')",),
        ("UPDATE inspections SET sha256 = 'text'",),
        ("UPDATE inspections SET sha256 = NULL",),
        ("UPDATE inspections SET at_us = 9223372036854775807",),
        ("UPDATE inspections SET at_us = 'noon'",),
        ("UPDATE inspections SET input_format = X'00'",),
        ("UPDATE audit SET who = X'FF'",),
        ("UPDATE audit SET who = CAST(X'FF' AS TEXT)",),
        ("UPDATE audit SET new = CAST(zeroblob(5000000) AS TEXT)",),
        ("UPDATE audit SET seq = 9223372036854775807 WHERE seq = 3",),
        ("UPDATE audit SET hash = X'00' WHERE seq = 3",),
        ("UPDATE audit SET at_us = 9223372036854775807",),
    ],
)
def test_a_database_that_is_none_of_ours_is_refused(
    taken: Line, statements: tuple[str, ...]
) -> None:
    spoiled(taken, *statements)
    refused(taken.restore())
    assert not taken.new.exists()


def test_a_file_that_is_no_database_is_refused(taken: Line) -> None:
    for data in (b"nonsense" * 999, b"SQLite format 3\0" + b"\xff" * 9999):
        replace(taken.file, "data/record.sqlite", data)
        refused(taken.restore())
        assert not taken.new.exists()


def test_what_was_written_goes_where_a_check_fails_afterwards(taken: Line) -> None:
    (taken.new / "data" / "lost+found").mkdir(parents=True)
    replace(taken.file, "data/audit-head.json", b'{"seq": 4, "hash": "' + b"0" * 64 + b'"}')
    said = taken.restore()
    assert "entry 4 is missing" in said.output
    assert "nothing" in refused(said)
    assert content(taken.new) == {}
    assert [path.name for path in taken.new.rglob("*")] == ["data", "lost+found"]
    (taken.new / "data" / "lost+found").rmdir()
    (taken.new / "data").rmdir()
    taken.new.rmdir()
    refused(taken.restore())
    assert not taken.new.exists()


def signed(line: Line, *further: object) -> None:
    key = line.folder / "takt.key"
    key.write_bytes(private_pem(OURS))
    told = line.backup("--sign-key", key, *further)
    assert told.exit_code == 0, told.output
    assert "signed by the key" in told.output


def test_a_signed_backup_is_told_from_others(line: Line) -> None:
    signed(line)
    keys = trusted(line.folder / "keys", OURS)
    told = line.restore("--trusted-keys", keys)
    assert told.exit_code == 0, told.output
    assert "signed by the key" in told.output
    assert (line.new / "keys.toml").read_text() == KEYS


def test_a_signed_backup_is_restored_where_nobody_asks_for_a_signature(line: Line) -> None:
    signed(line)
    told = line.restore()
    assert told.exit_code == 0 and "--trusted-keys" in told.output


def test_with_a_trusted_key_no_unsigned_backup_is_restored(
    taken: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = trusted(taken.folder / "keys", OURS)
    assert "is not signed" in refused(taken.restore("--trusted-keys", keys))
    monkeypatch.setenv("TAKT_TRUSTED_KEYS", str(keys))
    assert "is not signed" in refused(taken.restore())
    assert not taken.new.exists()


def test_by_another_key_no_backup_is_restored(line: Line) -> None:
    signed(line)
    keys = trusted(line.folder / "keys", FOREIGN)
    assert "is not trusted" in refused(line.restore("--trusted-keys", keys))
    assert not line.new.exists()


def test_a_signed_backup_that_somebody_changed_is_refused(line: Line) -> None:
    signed(line)
    with tarfile.open(line.file) as tar:
        info = tar.getmember("signature.json")
        taken = tar.extractfile(info)
        assert taken is not None
        signature = info, taken.read()
    members = [
        (info, b"port = 1\n" if info.name == "takt.toml" else data)
        for info, data in members_in(line.file)
    ]
    write_archive(line.file, members, [signature])
    keys = trusted(line.folder / "keys", OURS)
    assert "has signed" in refused(line.restore("--trusted-keys", keys))
    assert not line.new.exists()


def test_a_backup_that_will_not_be_trusted_is_told_as_it_is_taken(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAKT_TRUSTED_KEYS", str(trusted(line.folder / "keys", OURS)))
    assert "--sign-key" in line.backup().output


def test_a_backup_that_changes_between_check_and_writing_is_refused(
    taken: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = restoring._refuse_full

    def exchange(*given: object) -> None:
        usual(*given)  # type: ignore[arg-type]
        replace(taken.file, "models/parts/active.json", b'{"active": "2"}')

    monkeypatch.setattr(restoring, "_refuse_full", exchange)
    assert "was changed" in refused(taken.restore())
    assert not taken.new.exists()


def test_other_things_in_the_database_are_left_out_of_a_backup_and_told(line: Line) -> None:
    tamper(
        line.record,
        "CREATE VIEW mine AS SELECT * FROM inspections",
        "CREATE INDEX own ON inspections (lot)",
        "CREATE TABLE notes (id INTEGER PRIMARY KEY)",
        "CREATE TRIGGER rings AFTER INSERT ON notes BEGIN SELECT 1; END",
    )
    told = line.backup()
    for name in ("mine", "own", "notes", "rings"):
        assert name in told.output
    assert line.restore().exit_code == 0
