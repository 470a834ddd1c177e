"""The backup that the guide gives, of a record that is being written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from service.recording.record import Record, open_record
from service.recording.search.filters import Filters
from service.recording.search.pages import count_of
from tests.recorded import insert_inspections

GUIDE = Path(__file__).parents[4] / "docs/operations.md"


def test_the_guides_copy_of_a_database_in_use_is_a_record(
    sqlite_record: Record, tmp_path: Path
) -> None:
    (code,) = re.findall(r"python3 -c '(import sqlite3.*)'", GUIDE.read_text(encoding="utf-8"))
    insert_inspections(sqlite_record, [{}, {}])
    source = str(sqlite_record.database._engine.url.database)
    copied = tmp_path / "backup" / "record.sqlite"
    copied.parent.mkdir()
    with sqlite_record.database.writing():
        # A server may be in the middle of a transaction.
        subprocess.run([sys.executable, "-c", code, source, str(copied)], check=True)
    restored = open_record(copied.parent, "sqlite")
    assert restored is not None
    with restored.database.reading() as connection:
        assert count_of(connection, Filters()) == 2
    restored.close()
