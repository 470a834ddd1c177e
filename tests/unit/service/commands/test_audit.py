"""`takt audit`, as a terminal shows it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from takt.commands.audit import audit
from takt.recording.audit.chain import append
from takt.recording.record import Record
from tests.commands import refused, run
from tests.signing import FOREIGN, OURS, private_pem, trusted
from tests.unit.service.recording.audit.chains import a_change, appended, tamper

Takt = Callable[..., Result]


@pytest.fixture
def takt(sqlite_record: Record, monkeypatch: pytest.MonkeyPatch) -> Takt:
    """Runs `takt audit` on a record."""
    monkeypatch.setenv("TAKT_RECORD", "sqlite")
    monkeypatch.setenv("TAKT_DATA_FOLDER", str(sqlite_record.pictures.folder.parent))
    sqlite_record.database.prepare()
    return lambda *arguments: run(audit, *arguments)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key.pem"
    file.write_bytes(private_pem(OURS))
    return file


def test_the_newest_entries_are_listed_with_the_newest_last(
    takt: Takt, sqlite_record: Record
) -> None:
    appended(sqlite_record, 3)
    second, third = takt("--limit", 2).output.splitlines()
    assert second.split()[0] == "2" and third.split()[0] == "3"
    for part in ("leader", "threshold_changed", "parts 1", '{"image":0.5} -> {"image":0.3}'):
        assert part in third
    assert "(new lamp, 5 µm)" in third and "from 10.0.0.7" in third


def test_a_long_value_leaves_room_for_the_reason(takt: Takt, sqlite_record: Record) -> None:
    with sqlite_record.database.writing() as connection:
        append(connection, a_change(new="settings " * 200, reason="new lamp"))
    (line,) = takt().output.splitlines()
    assert len(line) < 250
    assert "settings…" in line and "(new lamp)" in line


def test_a_reason_cannot_steer_the_terminal(takt: Takt, sqlite_record: Record) -> None:
    with sqlite_record.database.writing() as connection:
        append(connection, a_change(reason="\x1b[2Jcleared\nforged"))
    (line,) = takt().output.splitlines()
    assert "(?[2Jcleared?forged)" in line


def test_an_empty_log_is_said_and_is_whole(takt: Takt) -> None:
    assert "no entries" in takt().output
    assert "0 entries are whole\n" in takt("verify").output


def test_a_whole_log_is_said_with_its_head(takt: Takt, sqlite_record: Record) -> None:
    entries = appended(sqlite_record, 3)
    result = takt("verify", "--head", entries[1].head, "--head", entries[2].head)
    assert result.output == f"3 entries are whole; its head is {entries[2].head}\n"


def test_a_changed_entry_ends_with_1_and_its_number(takt: Takt, sqlite_record: Record) -> None:
    appended(sqlite_record, 3)
    tamper(sqlite_record, "UPDATE audit SET who = 'nobody' WHERE seq = 2")
    result = run(audit, "verify")
    assert result.exit_code == 1
    assert "entry 2 was changed" in result.output


@pytest.mark.parametrize("cut", ["DELETE FROM audit", "DELETE FROM audit WHERE seq = 3"])
def test_a_cut_tail_ends_with_1_and_is_not_signed(
    takt: Takt, sqlite_record: Record, cut: str, tmp_path: Path, key: Path
) -> None:
    appended(sqlite_record, 3)
    tamper(sqlite_record, cut)
    for command in (("verify",), ("export", tmp_path / "audit.jsonl", "--key", key)):
        result = run(audit, *command)
        assert (result.exit_code, "entry 3 is missing" in result.output) == (1, True)
    assert not (tmp_path / "audit.jsonl").exists()


def test_a_cut_tail_ends_with_1_by_a_head_where_none_is_kept(
    takt: Takt, sqlite_record: Record
) -> None:
    *_, last = appended(sqlite_record, 3)
    tamper(sqlite_record, "DELETE FROM audit WHERE seq = 3")
    (sqlite_record.folder / "audit-head.json").unlink()
    assert "no head is kept in" in takt("verify").output
    result = run(audit, "verify", "--head", last.head)
    assert (result.exit_code, "entry 3 is missing" in result.output) == (1, True)


@pytest.mark.parametrize("head", ["7", "7:abc", "x"])
def test_what_is_no_head_is_a_usage_error(takt: Takt, head: str) -> None:
    result = run(audit, "verify", "--head", head)
    assert result.exit_code == 2 and "SEQ:HASH" in result.output


def test_an_export_is_checked_by_the_public_key_alone(
    takt: Takt, sqlite_record: Record, tmp_path: Path, key: Path
) -> None:
    *_, last = appended(sqlite_record, 3)
    file = tmp_path / "audit.jsonl"
    assert "is signed" in takt("export", file, "--key", key).output

    result = takt("verify", file, "--public", trusted(tmp_path, OURS), "--head", last.head)
    assert "3 entries are whole" in result.output and "signed by the key" in result.output

    result = run(audit, "verify", file, "--public", trusted(tmp_path, FOREIGN))
    assert (result.exit_code, "not among" in result.output) == (1, True)


def test_a_log_that_is_not_whole_is_not_signed(
    takt: Takt, sqlite_record: Record, tmp_path: Path, key: Path
) -> None:
    appended(sqlite_record, 3)
    tamper(sqlite_record, "DELETE FROM audit WHERE seq = 2")
    result = run(audit, "export", tmp_path / "audit.jsonl", "--key", key)
    assert (result.exit_code, "entry 2 was removed" in result.output) == (1, True)
    assert not (tmp_path / "audit.jsonl").exists()


def test_a_signed_file_wants_a_public_key_and_the_record_none(takt: Takt, tmp_path: Path) -> None:
    assert "--public" in run(audit, "verify", tmp_path / "x").output
    assert "not signed" in run(audit, "verify", "--public", tmp_path).output
    missing = run(audit, "verify", tmp_path / "x", "--public", trusted(tmp_path, OURS))
    assert (missing.exit_code, "No such file" in missing.output) == (1, True)


def test_options_before_a_subcommand_are_refused(takt: Takt) -> None:
    result = run(audit, "--limit", 3, "verify")
    assert (result.exit_code, "write it after verify" in result.output) == (2, True)


def test_an_end_that_somebody_accepts_is_whole_again_and_says_why(
    takt: Takt, sqlite_record: Record
) -> None:
    *_, last = appended(sqlite_record, 3)
    tamper(sqlite_record, "DELETE FROM audit WHERE seq = 3")
    assert run(audit, "accept").exit_code == 2
    said = takt("accept", "--reason", "restored", "--by", "ann")
    assert str(last.head) in said.output
    assert "3 entries are whole" in takt("verify").output
    (line,) = takt("--limit", 1).output.splitlines()
    for part in ("ann", "head_accepted", "(restored)", last.hash[:8]):
        assert part in line


def test_a_damaged_head_is_said_until_somebody_accepts(takt: Takt, sqlite_record: Record) -> None:
    appended(sqlite_record, 2)
    (sqlite_record.folder / "audit-head.json").write_text("{")
    result = run(audit, "verify")
    assert (result.exit_code, "is damaged" in result.output) == (1, True)
    takt("accept", "--reason", "the disk was full")
    assert "3 entries are whole" in takt("verify").output


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET seq = 9223372036854775807 WHERE seq = 3",
        "UPDATE audit SET seq = seq - 10",
        "UPDATE audit SET hash = X'00' WHERE seq = 3",
        "UPDATE audit SET hash = CAST(zeroblob(1000000) AS TEXT) WHERE seq = 3",
    ],
)
def test_an_end_that_no_entry_can_follow_is_not_accepted_and_said(
    takt: Takt, sqlite_record: Record, statement: str
) -> None:
    appended(sqlite_record, 3)
    kept = (sqlite_record.folder / "audit-head.json").read_bytes()
    tamper(sqlite_record, statement)
    said = refused(takt("accept", "--reason", "odd"))
    assert "no server has written" in said
    assert (sqlite_record.folder / "audit-head.json").read_bytes() == kept
    refused(takt("verify"))
    assert takt("--limit", 3).exit_code == 0


@pytest.mark.parametrize(
    "odd", ["who = X'FF'", "at_us = 9223372036854775807", "at_us = 'noon'", "new = 0.5"]
)
def test_an_entry_of_values_that_none_has_is_found_and_no_trace(
    takt: Takt, sqlite_record: Record, odd: str, key: Path, tmp_path: Path
) -> None:
    appended(sqlite_record, 3)
    tamper(sqlite_record, f"UPDATE audit SET {odd} WHERE seq = 2")
    takt("accept", "--reason", "odd")
    found = takt("verify")
    assert "entry 2 was changed" in found.output and refused(found)
    assert refused(takt("export", tmp_path / "audit.jsonl", "--key", key))
    assert len(takt("--limit", 9).output.splitlines()) == 4


@pytest.mark.parametrize("seq", [2**63, 2**64, -1])
def test_a_head_of_a_number_that_no_entry_has_is_damaged(
    takt: Takt, sqlite_record: Record, seq: int
) -> None:
    appended(sqlite_record, 2)
    kept = f'{{"seq": {seq}, "hash": "{"0" * 64}"}}'
    (sqlite_record.folder / "audit-head.json").write_text(kept)
    assert "is damaged" in refused(takt("verify"))
    takt("accept", "--reason", "the disk was full")
    assert "3 entries are whole" in takt("verify").output


def test_a_folder_without_a_record_is_said(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TAKT_RECORD", "sqlite")
    result = run(audit, "--data-folder", tmp_path)
    assert (result.exit_code, "no record" in result.output) == (1, True)


def test_the_command_is_listed_without_the_database() -> None:
    code = "import sys, takt.commands.audit; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"sqlalchemy", "numpy", "cryptography", "alembic"} & set(loaded)
