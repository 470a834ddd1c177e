"""The audit log as a signed file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from takt.core.bundles.signing.keys import key_id
from takt.core.errors import ConfigurationError
from takt.recording.audit.chain import entries_of
from takt.recording.audit.entry import Entry
from takt.recording.audit.export import check_export, write_export
from takt.recording.record import Record
from tests.signing import FOREIGN, OURS
from tests.unit.service.recording.audit.chains import appended, tamper

KEYS = {key_id(OURS.public_key()): OURS.public_key()}
FOREIGN_ID = key_id(FOREIGN.public_key())


@pytest.fixture
def exported(sqlite_record: Record, tmp_path: Path) -> tuple[Path, list[Entry]]:
    entries = appended(sqlite_record, 4)
    file = tmp_path / "audit.jsonl"
    assert write_export(entries_of(sqlite_record.database), file, OURS).findings == []
    return file, entries


def found(file: Path) -> str:
    """What speaks against a file; empty if nothing does."""
    try:
        check, _ = check_export(file, KEYS)
    except ConfigurationError as error:
        return str(error)
    return "; ".join(str(one) for one in check.findings)


def change(file: Path, number: int, edit: Callable[[str], str]) -> None:
    """Edit one line of a file."""
    lines = file.read_text().splitlines(keepends=True)
    lines[number] = edit(lines[number])
    file.write_text("".join(lines))


def test_a_file_has_every_entry_and_a_seal(exported: tuple[Path, list[Entry]]) -> None:
    file, entries = exported
    check, seal = check_export(file, KEYS, [entries[2].head])
    assert (check.count, check.findings, check.head) == (4, [], entries[-1].head)
    assert (seal.seal.count, seal.seal.first_hash, seal.seal.last_hash) == (
        4,
        entries[0].hash,
        entries[3].hash,
    )
    first = json.loads(file.read_text().splitlines()[0])
    assert first["hash"] == entries[0].hash and first["who"] == "leader"


def test_every_single_change_of_a_line_is_found(exported: tuple[Path, list[Entry]]) -> None:
    file, _ = exported
    whole = file.read_text()
    edits: list[tuple[int, Callable[[str], str]]] = [
        (1, lambda line: line.replace("leader", "nobody")),
        (1, lambda line: line.replace("{", '{"extra":1,', 1)),
        (1, lambda line: line.replace(":", ": ", 1)),
        (1, lambda line: ""),
        (3, lambda line: ""),
        (2, lambda line: line + line),
        (0, lambda line: "nonsense\n"),
        (4, lambda line: line.replace('"count":4', '"count":3')),
        (4, lambda line: line.replace('"signature":"', '"signature":"00')),
        (4, lambda line: ""),
        (4, lambda line: line + line),
    ]
    assert found(file) == ""
    for number, edit in edits:
        change(file, number, edit)
        assert file.read_text() != whole
        assert found(file), f"line {number}: {file.read_text().splitlines()[number:]}"
        file.write_text(whole)


def test_a_tail_that_is_cut_in_front_of_the_seal_is_found(
    exported: tuple[Path, list[Entry]],
) -> None:
    file, _ = exported
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines[:2], lines[-1]]))
    assert "2 entries" in found(file) and "4 up to" in found(file)


def test_a_file_that_somebody_else_has_signed_is_refused(
    sqlite_record: Record, tmp_path: Path
) -> None:
    appended(sqlite_record, 1)
    file = tmp_path / "audit.jsonl"
    write_export(entries_of(sqlite_record.database), file, FOREIGN)
    assert f"signed by the key {FOREIGN_ID}" in found(file)
    change(file, 1, lambda line: line.replace(FOREIGN_ID, next(iter(KEYS))))
    assert "is not what the key" in found(file)


def test_a_broken_chain_is_not_signed_and_the_old_file_stays(
    sqlite_record: Record, tmp_path: Path
) -> None:
    appended(sqlite_record, 3)
    file = tmp_path / "audit.jsonl"
    file.write_text("old")
    tamper(sqlite_record, "UPDATE audit SET who = 'nobody' WHERE seq = 2")
    check = write_export(entries_of(sqlite_record.database), file, OURS)
    assert [one.seq for one in check.findings] == [2]
    assert file.read_text() == "old" and [one.name for one in tmp_path.glob("*.part")] == []


def test_an_empty_log_is_not_signed(sqlite_record: Record, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no entry"):
        write_export(entries_of(sqlite_record.database), tmp_path / "audit.jsonl", OURS)
    assert list(tmp_path.glob("*audit*")) == []
