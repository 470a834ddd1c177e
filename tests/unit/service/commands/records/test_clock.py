"""`takt records clock`."""

from __future__ import annotations

import json
import time
from pathlib import Path

from click.testing import CliRunner, Result

from takt.cli import main
from takt.recording.audit.chain import entries_of
from takt.recording.clock import keep_believed
from takt.recording.record import Record


def run(data: Path, *arguments: str) -> Result:
    options = ("--data-folder", str(data), "--record", "sqlite")
    return CliRunner().invoke(main, ["records", "clock", *arguments, *options])


def test_it_shows_when_the_clock_was_believed_last_and_changes_nothing(
    sqlite_record: Record,
) -> None:
    sqlite_record.database.prepare()
    assert "no moment is known" in run(sqlite_record.folder).output
    keep_believed(sqlite_record.folder, 1e9)
    shown = run(sqlite_record.folder)
    assert (shown.exit_code, "2001-09-09 01:46:40 UTC" in shown.output) == (0, True)
    assert list(entries_of(sqlite_record.database)) == []


def test_whoever_says_that_it_is_right_is_in_the_audit_log(sqlite_record: Record) -> None:
    sqlite_record.database.prepare()
    said = run(sqlite_record.folder, "--right", "--by", "ann")
    assert (said.exit_code, "within a minute" in said.output) == (0, True)
    kept = json.loads((sqlite_record.folder / "clock.json").read_bytes())
    assert abs(kept["believed_at_us"] / 1e6 - time.time()) < 60
    (entry,) = entries_of(sqlite_record.database)
    assert (entry.who, entry.action) == ("ann", "clock_confirmed")
