"""A verdict is told in the words of the API, with where it is found and without its picture."""

from __future__ import annotations

import json
import math
from dataclasses import replace

from takt.core.domain import Box, Labels, Reason, Region
from takt.observing.records import AnswerRecord, Asked, PartRecord, ViewOfPart
from takt.outlets.message import part_body, verdict_body
from tests.unit.service.outlets.test_queued import answer

LABELS = Labels("press 1", "A-17", "L4", (("shift", "night"),))


def told(one: AnswerRecord, *, recorded: bool = True) -> dict[str, object]:
    asked = Asked(b"the picture", "line3", LABELS)
    return dict(json.loads(verdict_body(one, asked, recorded=recorded)))


def test_a_verdict_says_what_the_api_says_and_whose_part_it_is() -> None:
    one = answer("r 1")
    region = Region(Box(1, 2, 3, 4), 12, 0.9)
    one = one._replace(verdict=replace(one.verdict, regions=(region,)), at_s=1.25)
    assert told(one) == {
        "type": "verdict",
        "at": "1970-01-01T00:00:01.250000Z",
        "request_id": "r 1",
        "model": "nut",
        "version": "1",
        "station": "press 1",
        "part": "A-17",
        "lot": "L4",
        "tags": {"shift": "night"},
        "view": None,
        "part_number": None,
        "verdict": "defect",
        "anomalous": True,
        "undecided": None,
        "score": 0.75,
        "threshold": 0.5,
        "regions": [{"box": [1, 2, 3, 4], "area": 12, "peak": 0.9}],
        "warnings": [],
        "inspection": "/v1/inspections?request_id=r%201",
    }


def test_the_verdict_on_one_view_of_a_part_is_told_as_such() -> None:
    asked = Asked(None, "line3", LABELS, ViewOfPart(1772366400000000, "top"))
    found = json.loads(verdict_body(answer(), asked, recorded=True))
    assert (found["part"], found["part_number"], found["view"]) == ("A-17", 1772366400000000, "top")


def test_why_there_is_no_decision_is_told() -> None:
    one = answer()
    reason = Reason("brightness", 2.0, 40.0, 200.0, "far darker than good parts")
    one = one._replace(verdict=replace(one.verdict, undecided=reason))
    found = told(one)
    assert found["verdict"] == "undecided"
    assert found["undecided"] == {
        "fact": "brightness", "value": 2.0, "low": 40.0, "high": 200.0,
        "text": "far darker than good parts",
    }  # fmt: skip


def test_without_a_record_nothing_is_linked() -> None:
    assert told(answer(), recorded=False)["inspection"] is None


def test_a_score_that_is_no_number_is_null() -> None:
    one = answer()
    assert told(one._replace(verdict=replace(one.verdict, score=math.nan)))["score"] is None


SEEN = {
    "view": "top",
    "request_id": "r1",
    "model": "nut",
    "version": "1",
    "verdict": "good",
    "score": 0.2,
    "threshold": 0.5,
    "scaled": 0.4,
}
PART = PartRecord(
    number=1772366400000000,
    part="A 17",
    recipe="bracket",
    revision=3,
    began_us=1_000_000,
    ended_us=1_250_000,
    ended_by="deadline",
    verdict="undecided",
    reason="missing_view",
    score=0.4,
    view="top",
    station="press1",
    lot=None,
    views=[{"name": "top", "seen": SEEN}, {"name": "side", "seen": None}],
)


def test_the_result_of_a_part_is_told_with_each_view_and_those_that_are_missing() -> None:
    told = json.loads(part_body(PART))

    assert (told["type"], told["part"], told["verdict"], told["reason"]) == (
        "part",
        "A 17",
        "undecided",
        "missing_view",
    )
    assert told["at"] == "1970-01-01T00:00:01.250000Z"
    assert told["link"] == "/v1/parts/A%2017?number=1772366400000000"
    assert told["views"] == [
        SEEN,
        {**dict.fromkeys(SEEN), "view": "side"},
    ]
