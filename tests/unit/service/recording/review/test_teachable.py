"""How many judged pictures there are, without opening one."""

from __future__ import annotations

from typing import Any

from takt.recording.record import Record
from takt.recording.review.teachable import Teachable, teachable
from tests.recorded import NOON_US, insert_inspections


def count(record: Record, since_us: int | None = None, model: str = "bolt") -> Teachable:
    with record.database.reading() as connection:
        return teachable(connection, model, since_us)


def row(word: str | None, level: int | None, /, judged_s: int = 0, **fields: Any) -> dict[str, Any]:
    """An inspection of a picture, which was judged some seconds after noon."""
    kept = {"picture": True, "sha256": bytes([level]) * 32} if level is not None else {}
    at_us = NOON_US + judged_s * 1_000_000
    return {"judgement": word, "judged_at_us": at_us if word else None, **kept, **fields}


def test_judged_pictures_that_are_kept_are_counted(record: Record) -> None:
    insert_inspections(
        record,
        [
            *(row("defect", number) for number in range(3)),
            row("good", 3, version="2"),
            row("unsure", 4),
            row(None, 5),
            row("defect", None),
            row("good", 6, picture=False),
            row("defect", 7, model="nut"),
        ],
    )
    assert count(record) == Teachable(defects=3, good=1, missing=2, new=4)
    assert count(record, model="none") == Teachable(0, 0, 0, 0)


def test_what_was_judged_since_is_new(record: Record) -> None:
    insert_inspections(record, [row("defect", number, judged_s=number) for number in range(5)])
    assert count(record, NOON_US + 3_000_000).new == 2


def test_of_a_picture_that_was_inspected_again_the_latest_judgement_counts(record: Record) -> None:
    insert_inspections(
        record,
        [row("defect", 1, judged_s=5), row("good", 1, judged_s=3), row("good", 1, judged_s=4)],
    )
    assert count(record, NOON_US + 4_000_000) == Teachable(defects=1, good=0, missing=0, new=1)
