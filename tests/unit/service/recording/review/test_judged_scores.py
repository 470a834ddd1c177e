"""Scores of what was judged, in both databases."""

from __future__ import annotations

from takt.recording.record import Record
from takt.recording.review.judged_scores import JudgedScores, judged_scores
from tests.recorded import NOON_US, SOURCE, insert_inspections

DIGEST = SOURCE["digest"]
REGIONS = '[{"box": [0, 0, 8, 8], "area": 64, "peak": 0.75}]'


def test_scores_are_those_of_one_version_by_judgement(record: Record) -> None:
    insert_inspections(
        record,
        [
            {"score": 0.75, "judgement": "good", "regions": REGIONS},
            {"score": 0.25, "judgement": "good"},
            {"score": 0.875, "judgement": "defect"},
            {"score": 0.5, "judgement": "unsure"},
            {"score": 0.5},
            {"score": 0.125, "judgement": "good", "version": "2"},
            {"score": 0.125, "judgement": "good", "model": "nut"},
        ],
    )
    good, defects = judged_scores(record.database, "bolt", "1", DIGEST)
    assert good == JudgedScores((0.25, 0.75), (False, True), 2)
    assert defects == JudgedScores((0.875,), (False,), 1)


def test_another_bundle_under_the_same_name_has_none(record: Record) -> None:
    insert_inspections(record, [{"judgement": "good"}])
    assert judged_scores(record.database, "bolt", "1", "0b" * 32)[0] == JudgedScores((), (), 0)


def test_of_many_the_latest_are_read_and_all_are_counted(record: Record) -> None:
    rows = [{"score": n / 8, "at_us": NOON_US + n, "judgement": "good"} for n in range(6)]
    insert_inspections(record, rows)
    good, _ = judged_scores(record.database, "bolt", "1", DIGEST, most=3)
    assert good == JudgedScores((3 / 8, 4 / 8, 5 / 8), (False,) * 3, 6)
