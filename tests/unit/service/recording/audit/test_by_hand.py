"""What `docs/audit.md` gives an auditor, who has no Takt."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from takt.recording.record import Record
from tests.unit.service.recording.audit.chains import appended, tamper

PAGE = Path(__file__).parents[5] / "docs" / "audit.md"


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "UPDATE audit SET reason = 'none' WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 2",
    ],
)
def test_the_check_of_the_page_needs_no_takt(
    sqlite_record: Record, tmp_path: Path, statement: str
) -> None:
    *_, last = appended(sqlite_record, 3)
    if statement:
        tamper(sqlite_record, statement)
    sqlite_record.close()
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "data").rename(tmp_path / "takt-data")

    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=tmp_path, capture_output=True, text=True
    )

    assert (run.stdout, run.returncode) == (("", 1) if statement else (f"{last.hash}\n", 0))
    assert ("AssertionError: entry 2" in run.stderr) == bool(statement)
