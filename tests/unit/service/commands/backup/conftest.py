from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from takt.recording.record import Record
from tests.conftest import MakeBundle
from tests.unit.service.commands.backup.line import Line
from tests.unit.service.recording.audit.chains import appended


@pytest.fixture
def line(tmp_path: Path, sqlite_record: Record, make_bundle: MakeBundle) -> Iterator[Line]:
    make_bundle()
    found = Line(tmp_path, sqlite_record)
    (found.repository / "parts" / "active.json").write_text('{"active": "1"}')
    (found.repository / "parts" / "1" / "thresholds.json").write_text("{}")
    appended(sqlite_record, 3)
    yield found
