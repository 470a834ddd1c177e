from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result

from takt.recording.record import Record
from takt.recording.review.judging import NewJudgement, judge
from takt_msa.commands.command import msa
from tests.commands import refused, run
from tests.recorded import NOON_US, insert_inspections


@pytest.fixture
def data(sqlite_record: Record, tmp_path: Path) -> Path:
    """A data folder with two judged parts: of the good one, one placement of two is rejected."""
    for number, (part, scores) in enumerate({"a": (0.2, 0.6), "b": (0.7, 0.8)}.items()):
        rows = [
            {
                "part": part,
                "station": "s1",
                "score": score,
                "anomalous": score > 0.5,
                "sha256": bytes([number, trial]) * 16,
                "at_us": NOON_US + trial,
            }
            for trial, score in enumerate(scores)
        ]
        ids = insert_inspections(sqlite_record, rows)
        judge(sqlite_record.database, ids, NewJudgement("good" if part == "a" else "defect", "Ann"))
    return tmp_path / "data"


def analysed(data: Path, *more: object) -> Result:
    return run(msa, "records", "--data-folder", data, "--record", "sqlite", *more)


def test_a_judged_selection_is_analysed(data: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "msa.json", tmp_path / "msa.html"

    result = analysed(data, "--station", "s1", "--json", out, "--report", page)

    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    (figures,) = found["appraisers"]
    assert figures["appraiser"] == "bolt, version 1"
    assert figures["false_alarm_rate"]["value"] == 0.5
    assert figures["miss_rate"]["value"] == 0
    assert found["facts"]["selection"] == "station s1"
    assert found["facts"]["from"] == "2026-03-01T12:00:00+00:00"
    assert "parts that flip     1: a" in result.output
    assert "4 inspections of the record" in page.read_text()


def test_a_selection_by_the_verdict_is_refused(data: Path) -> None:
    assert "chooses trials by what came of them" in refused(analysed(data, "--verdict", "reject"))


def test_a_selection_of_nothing_is_refused(data: Path) -> None:
    assert "of 0 inspections none has the id of its part" in refused(
        analysed(data, "--station", "s2")
    )


def test_a_folder_without_a_record_is_refused(tmp_path: Path) -> None:
    assert "there is no record in" in refused(analysed(tmp_path / "none"))
