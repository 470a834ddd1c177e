"""`takt backup` and `takt restore`, as a terminal shows them."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from takt.commands.backup import gathering
from takt.commands.backup.restore import restore
from takt.recording.audit.kept_head import KeptHead
from takt.recording.check import check_record
from takt.recording.database import HEAD
from takt.recording.record import open_record
from takt.recording.search.filters import Filters
from takt.recording.search.pages import count_of
from tests.commands import refused, run
from tests.signing import OURS, private_pem
from tests.unit.service.commands.backup.line import KEYS, Line, content
from tests.unit.service.recording.audit.chains import tamper


def test_what_was_backed_up_comes_back_whole(line: Line) -> None:
    picture = line.keep(b"BM a part")
    told = line.backup()
    assert told.exit_code == 0, told.output
    assert "settings, keys' digests, the record's database, 1 pictures" in told.output
    restored = line.restore()
    assert restored.exit_code == 0, restored.output
    assert "3 entries are whole" in restored.output
    assert content(line.new / "models") == content(line.repository)
    assert (line.new / "keys.toml").read_text() == KEYS
    assert (line.new / "takt.toml").read_text() == "port = 8123\n"
    found = open_record(line.new / "data", "sqlite")
    assert found is not None
    assert KeptHead(found.database).read() == KeptHead(line.record.database).read()
    with found.database.reading() as connection:
        assert count_of(connection, Filters()) == 1
    assert check_record(found, content=True, young_s=0).clean
    path = picture.relative_to(line.record.folder)
    assert (line.new / "data" / path).read_bytes() == b"BM a part"
    found.close()


@pytest.mark.parametrize("name", ["notes/" + "a" * 200, "b" * 90 + "/" + "c" * 90, "Größe " * 20])
def test_a_file_of_a_long_or_foreign_name_comes_back(line: Line, name: str) -> None:
    (line.repository / name).parent.mkdir(exist_ok=True)
    (line.repository / name).write_bytes(bytes(600))
    os.utime(line.repository / name, (-86_400, -86_400))
    assert line.backup().exit_code == 0
    assert line.restore().exit_code == 0
    assert content(line.new / "models") == content(line.repository)
    assert (line.new / "models" / name).stat().st_mtime == -86_400


def test_a_file_that_lies_too_deep_is_left_out_and_named(line: Line) -> None:
    deep = line.repository.joinpath(*"d" * 40)
    deep.mkdir(parents=True)
    (deep / "file").write_text("deep")
    assert "too deep" in line.backup().output
    assert line.restore().exit_code == 0


def test_a_backup_is_taken_in_the_middle_of_a_transaction(line: Line) -> None:
    line.keep(b"BM a part")
    with line.record.database.writing() as connection:
        connection.exec_driver_sql("UPDATE inspections SET pinned = 1")
        assert line.backup().exit_code == 0
    assert line.restore().exit_code == 0
    found = open_record(line.new / "data", "sqlite")
    assert found is not None
    with found.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT pinned FROM inspections").scalar() == 0
    found.close()


def test_a_backup_brings_no_tables_up_to_date(line: Line) -> None:
    line.keep(b"BM a part")
    with line.record.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0004'")
    assert line.backup().exit_code == 0
    with line.record.database.reading() as connection:
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    assert found == "0004" != HEAD


def test_a_record_of_a_newer_release_is_backed_up_as_it_is(line: Line) -> None:
    statements = (
        "CREATE TABLE later (id INTEGER)",
        "UPDATE alembic_version SET version_num = '9999'",
    )
    tamper(line.record, *statements)
    told = line.backup()
    assert told.exit_code == 0 and "later" not in told.output
    assert "of a newer release" in refused(line.restore())


def test_a_backup_and_what_it_restores_are_for_one_user_alone(line: Line) -> None:
    line.keep(b"BM a part")
    line.config.chmod(0o644)
    line.backup()
    line.restore()
    assert line.file.stat().st_mode & 0o777 == 0o600
    for place in (line.new / "data", *(line.new / "data").rglob("*")):
        assert place.stat().st_mode & 0o777 == (0o700 if place.is_dir() else 0o600), place
    assert (line.new / "keys.toml").stat().st_mode & 0o777 == 0o600
    assert (line.new / "takt.toml").stat().st_mode & 0o777 == 0o600


def test_tools_of_others_read_a_backup_and_check_it(line: Line, tmp_path: Path) -> None:
    line.keep(b"BM a part")
    line.backup()
    folder = tmp_path / "taken"
    folder.mkdir()
    subprocess.run(["tar", "-xzf", line.file, "-C", folder], check=True)
    subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, check=True)
    assert line.names()[0] == "backup.json" and line.names()[-1] == "SHA256SUMS"


def test_a_picture_that_retention_removes_meanwhile_is_no_error(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, stays = line.keep(b"BM gone"), line.keep(b"BM stays")
    usual = gathering._add_models

    def add(*given: object) -> int:
        gone.unlink()  # between the copy of the database and the pictures
        return usual(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(gathering, "_add_models", add)
    assert line.backup().exit_code == 0
    restored = line.restore()
    assert restored.exit_code == 0, restored.output
    assert "1 of these inspections have none any more" in restored.output
    kept = content(line.new / "data" / "pictures")
    assert [Path(name).name for name in kept] == [stays.name]


def test_a_picture_that_vanishes_as_it_is_listed_is_no_error(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = line.keep(b"BM gone")
    usual = gathering._open

    def open_late(path: Path, *given: object) -> object:
        if path.name == gone.name:
            gone.unlink()
        return usual(path, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(gathering, "_open", open_late)
    told = line.backup()
    assert told.exit_code == 0 and "0 pictures" in told.output


def test_a_version_that_is_calibrated_meanwhile_is_of_one_moment(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = line.repository / "parts" / "1"
    usual, changed = gathering._open, []

    def open_late(path: Path, *given: object) -> object:
        if path.name == "model.onnx" and not changed:
            changed.append(path)
            (version / "later.npz").write_bytes(b"of the later manifest")
            (version / "new").write_bytes((version / "manifest.json").read_bytes() + b" ")
            (version / "new").rename(version / "manifest.json")
        return usual(path, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(gathering, "_open", open_late)
    assert line.backup().exit_code == 0
    assert line.restore().exit_code == 0
    assert content(line.new / "models") == content(line.repository)


@pytest.mark.parametrize("passphrase", [None, b"word"])
def test_a_private_key_is_left_out_whatever_its_name_is(
    line: Line, passphrase: bytes | None
) -> None:
    key = private_pem(OURS, passphrase)
    for place in ("parts/readme.txt", "parts/1/notes.md", "top.pem"):
        (line.repository / place).write_bytes(b"a line before\n" + key)
    told = line.backup()
    assert told.exit_code == 0, told.output
    assert told.output.count("which holds a private key") == 3
    with gzip.open(line.file) as packed:
        assert b"PRIVATE KEY" not in packed.read()


@pytest.mark.parametrize("option", ["--config", "--keys-file"])
def test_a_private_key_in_the_place_of_keys_or_settings_is_refused(line: Line, option: str) -> None:
    wrong = line.folder / "wrong.toml"
    wrong.write_bytes(b"port = 8123\n" if option == "--config" else b"")
    wrong.write_bytes(wrong.read_bytes() + b"# " + private_pem(OURS).replace(b"\n", b"\n# "))
    assert "holds a private key" in refused(line.backup(option, wrong))
    assert not line.file.exists() and not list(line.folder.glob(".*"))


def test_what_is_there_is_not_written_over(line: Line) -> None:
    line.file.write_bytes(b"yesterday's")
    assert "exists" in refused(line.backup())
    assert line.file.read_bytes() == b"yesterday's"


def test_a_folder_without_a_record_is_refused(line: Line, tmp_path: Path) -> None:
    assert "no record in" in refused(line.backup("--data-folder", tmp_path / "typo"))


def test_an_interrupted_backup_leaves_nothing(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device", "disk")

    monkeypatch.setattr(gathering, "_add_pictures", fail)
    assert "No space left" in refused(line.backup())
    assert not line.file.exists() and not list(line.folder.glob(".*"))


@pytest.mark.parametrize("folder", ["data", "models"])
def test_a_folder_with_something_in_it_is_refused(line: Line, folder: str) -> None:
    line.backup()
    (line.new / folder / "somebodys").mkdir(parents=True)
    (line.new / folder / "somebodys" / "file").write_text("dear")
    before = content(line.new)
    assert "is not empty" in refused(line.restore())
    assert content(line.new) == before


def test_a_folder_that_is_empty_by_its_nature_is_taken(line: Line) -> None:
    line.backup()
    for folder in ("data", "models"):
        (line.new / folder / "lost+found").mkdir(parents=True)
        (line.new / folder / ".hidden").write_text("of the file system")
    assert line.restore().exit_code == 0


@pytest.mark.parametrize("place", ["takt.toml", "keys.toml"])
def test_a_file_that_is_there_is_refused(line: Line, place: str) -> None:
    line.backup()
    line.new.mkdir()
    (line.new / place).write_text("port = 1\n")
    assert "exists" in refused(line.restore())
    assert content(line.new) == {place: b"port = 1\n"}


def test_settings_that_are_there_as_they_were_stay(line: Line) -> None:
    line.backup()
    line.new.mkdir()
    (line.new / "takt.toml").write_text("port = 8123\n")
    assert line.restore().exit_code == 0


def test_where_keys_go_has_to_be_said(line: Line) -> None:
    line.backup()
    given = ("--data-folder", line.new / "data", "--repository", line.new / "models")
    told = run(restore, line.file, *given, "--config", line.new / "takt.toml")
    assert "--keys-file" in refused(told)
    assert not line.new.exists()


def flip(packed: bytes, name: bytes) -> bytes:
    """A backup of which one byte is another, packed as a whole one is."""
    plain = bytearray(gzip.decompress(packed))
    plain[plain.index(name)] ^= 1
    return gzip.compress(bytes(plain), 1)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda packed: packed[: len(packed) // 2], "is no backup, or damaged"),
        (lambda packed: flip(packed, b"BM a part"), "is not what was backed up"),
        (
            lambda packed: flip(packed, hashlib.sha256(b"BM a part").hexdigest().encode() + b"  "),
            "is damaged",
        ),
        (lambda packed: b"nonsense", "is no backup"),
        (lambda packed: gzip.compress(b""), "is no backup"),
    ],
)
def test_a_damaged_backup_is_refused_before_anything_is_written(
    line: Line, spoil: Callable[[bytes], bytes], said: str
) -> None:
    line.keep(b"BM a part")
    line.backup()
    line.file.write_bytes(spoil(line.file.read_bytes()))
    assert said in refused(line.restore())
    assert not line.new.exists()


def test_a_disk_that_fails_leaves_the_folders_as_they_were(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.keep(b"BM a part")
    line.backup()
    (line.new / "data" / "lost+found").mkdir(parents=True)
    from takt.commands.backup import restoring

    usual = restoring._write

    def fail(place: Path, *given: object) -> None:
        if "pictures" in place.parts:
            raise OSError(28, "No space left on device", str(place))
        usual(place, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(restoring, "_write", fail)
    assert "No space left" in refused(line.restore())
    assert content(line.new) == {}
    assert (line.new / "data" / "lost+found").is_dir()


def test_a_member_that_leads_elsewhere_is_refused(line: Line, tmp_path: Path) -> None:
    line.backup()
    plain = gzip.decompress(line.file.read_bytes())
    outside = plain.replace(b"models/parts/active.json", b"models/../../../../e.txt")
    line.file.write_bytes(gzip.compress(outside, 1))
    refused(line.restore())
    assert not line.new.exists()


def test_a_cut_audit_log_is_said_and_nothing_of_it_stays(line: Line) -> None:
    tamper(line.record, "DELETE FROM audit WHERE seq = 3")
    line.backup()
    restored = line.restore()
    assert "entry 3 is missing" in restored.output
    assert "`tar -xzf` takes it apart" in refused(restored)
    assert not line.new.exists()


def test_of_a_database_in_postgresql_the_command_is_named_without_its_password(
    line: Line,
) -> None:
    line.keep(b"BM a part")
    url = "postgresql://takt:word@127.0.0.1:1/line"
    told = line.backup("--record", url)
    assert told.exit_code == 0, told.output
    assert "pg_dump --format=custom --file=record.dump postgresql://takt@127.0.0.1:1/line" in (
        told.output
    )
    assert "word" not in told.output
    assert "data/record.sqlite" not in line.names() and "data/audit-head.json" in line.names()
    restored = line.restore("--record", url)
    assert restored.exit_code == 0, restored.output
    assert "pg_restore --no-owner --dbname=postgresql://takt@127.0.0.1:1/line" in restored.output
    assert "word" not in restored.output


def test_a_server_without_a_record_is_backed_up_by_its_models(line: Line) -> None:
    told = line.backup("--record", "none")
    assert told.exit_code == 0, told.output
    assert not [name for name in line.names() if name.startswith("data/")]
    assert line.restore("--record", "none").exit_code == 0
