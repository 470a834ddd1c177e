"""Two records -> what differs; which pictures are posted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.answers.answer import answer_of, refusal_of
from benchmarks.answers.compare import compare, table
from benchmarks.answers.pictures import spread
from benchmarks.answers.record import Cell, load, save

CELL = Cell(
    model="whole",
    protocol="rest",
    mode="raw",
    set="parts",
    pictures="1" * 64,
    digest="2" * 64,
    answers={"good/1.png": "0x1p-1 aa bb cc", "good/2.png": "0x1p-2 aa bb dd"},
)
FIELDS = {
    "request_id": "1",
    "score": 0.1,
    "anomalous": False,
    "regions": [{"box": [1, 2, 3, 4], "area": 12, "peak": 0.5}],
    "timings_ms": {"total": 3.0},
}


def differences(before: list[Cell], after: list[Cell]) -> list[str]:
    return [line for row in compare(before, after) for line in row.differences]


def test_a_record_reads_back_from_its_file_and_equals_itself(tmp_path):
    save([CELL], tmp_path / "a.json")

    assert load(tmp_path / "a.json") == [CELL]
    assert differences([CELL], load(tmp_path / "a.json")) == []


def test_a_difference_names_the_picture_and_the_part():
    answers = {**CELL.answers, "good/2.png": "0x1p-3 aa bb dd"}
    other = dataclasses.replace(CELL, answers=answers, digest="3" * 64)

    assert differences([CELL], [other]) == [
        "rest raw whole parts good/2.png: score 0x1p-2 -> 0x1p-3"
    ]
    last = table(compare([CELL], [other])).splitlines()[-1]
    assert last.split() == ["all", "2", "1"]


def test_a_refusal_and_an_answer_that_only_one_record_has_differ():
    answers = {"good/1.png": "400:invalid_image - - -"}
    other = dataclasses.replace(CELL, answers=answers, digest="3" * 64)

    assert differences([CELL], [other]) == [
        "rest raw whole parts good/1.png: score 0x1p-1 -> 400:invalid_image, verdict aa -> -, "
        "regions bb -> -, heatmap cc -> -",
        "rest raw whole parts good/2.png: only in the first record",
    ]
    assert len(differences([], [CELL])) == 2


@pytest.mark.parametrize(
    ("field", "said"),
    [("pictures", "other pictures"), ("digest", "digest over all answers")],
)
def test_what_no_line_shows_differs_too(field: str, said: str):
    (line,) = differences([CELL], [dataclasses.replace(CELL, **{field: "4" * 64})])

    assert said in line


def test_an_answer_changes_with_any_bit_of_its_parts_but_not_from_run_to_run():
    values = np.array([[0.0, 0.5]], np.float32)
    answer = answer_of(FIELDS, values)
    again = answer_of(FIELDS | {"request_id": "2", "timings_ms": {}}, values.copy())
    region = [{"box": [1, 2, 3, 4], "area": 12, "peak": np.nextafter(0.5, 1)}]

    assert again == answer
    assert answer_of(FIELDS | {"regions": region}, values).regions != answer.regions
    assert answer_of(FIELDS | {"anomalous": True}, values).verdict != answer.verdict
    assert answer_of(FIELDS, np.array([[-0.0, 0.5]], np.float32)).heatmap != answer.heatmap
    assert float.fromhex(answer.score) == 0.1


def test_an_overloaded_server_ends_the_recording():
    assert refusal_of({"status": 415, "code": "unsupported"}).score == "415:unsupported"
    with pytest.raises(SystemExit, match="429 queue_full"):
        refusal_of({"status": 429, "code": "queue_full"})


def test_half_of_the_pictures_are_good_where_there_are_enough():
    good = [f"test/good/{number:02}.png" for number in range(30)]
    bad = [f"test/scratch/{number:02}.png" for number in range(4)]

    assert spread(good + bad, 10) == [*good[::5], *bad]
    assert spread(bad + good, 10) == spread(good + bad, 10)
    assert len(spread(good, 10)) == 10
    assert spread(good + bad, 100) == good + bad
