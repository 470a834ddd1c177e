from __future__ import annotations

import json
from dataclasses import replace

import pytest

from takt_station.cycle.effects import (
    CameLate,
    Faulted,
    Given,
    PartDecision,
    PartInCycle,
    no_decision,
)
from takt_station.cycle.signals import NoDecisionReason, ResultCode
from takt_station.inspector import StationRecipe
from takt_station.report import WORDS, StationReport

PART = PartInCycle(5, 5, 1017, 2, 100.0, 100.1)
RECIPE = StationRecipe(2, "lid", ("top",))
NG = PartDecision(ResultCode.NG, None, 0.75)


def report() -> tuple[StationReport, list[str], list[str]]:
    lines: list[str] = []
    notes: list[str] = []
    return StationReport(lines.append, notes.append, lambda: 1.5), lines, notes


def test_a_result_is_a_line_and_a_note() -> None:
    made, lines, notes = report()
    made.given(Given(PART, NG, 9, 100.0421, shown=True), RECIPE)

    assert lines == ["      1017 NG            0.7500    42.1 ms"]
    assert json.loads(notes[0]) == {
        "at_s": 1.5,
        "event": "result",
        "part": 1017,
        "lot": None,
        "code": None,
        "unreadable": [],
        "acquisition": 5,
        "inspection": 9,
        "result": "ng",
        "reason": None,
        "score": 0.75,
        "decided_by": None,
        "witness": None,
        "recipe": "lid",
        "recipe_number": 2,
        "took_ms": 42.1,
        "shown": True,
    }


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (PartDecision(ResultCode.NG, None, 1.5, "top", "region"), "by a region: top"),
        (PartDecision(ResultCode.NG, None, 1.5, "top", "score"), "by the score: top"),
        (
            PartDecision(ResultCode.NO_DECISION, NoDecisionReason.VIEW, 0.5, "side"),
            "a view is missing: side",
        ),
    ],
)
def test_a_result_says_which_view_decided_and_by_what(decision: PartDecision, said: str) -> None:
    made, lines, notes = report()
    made.given(Given(PART, decision, 9, 100.05, shown=True), RECIPE)

    assert lines[0].endswith(said)
    note = json.loads(notes[0])
    assert (note["decided_by"], note["witness"]) == (decision.decided_by, decision.witness)


def test_a_result_has_the_part_s_lot_and_code_and_says_what_could_not_be_read() -> None:
    made, _, notes = report()
    for part in (replace(PART, lot="L7", code="AB-1"), replace(PART, lot=None, code="AB-1")):
        made.given(Given(part, NG, 9, 100.1, shown=True), RECIPE)

    said = [json.loads(note) for note in notes]
    assert [(one["lot"], one["code"], one["unreadable"]) for one in said] == [
        ("L7", "AB-1", []),
        (None, "AB-1", ["lot"]),
    ]


@pytest.mark.parametrize("reason", NoDecisionReason)
def test_no_decision_says_why(reason: NoDecisionReason) -> None:
    made, lines, notes = report()
    made.given(Given(PART, no_decision(reason), 9, 100.1, shown=True), None)

    assert lines[0].endswith(WORDS[reason])
    assert json.loads(notes[0])["reason"] == reason.value
    assert json.loads(notes[0])["score"] is None


def test_a_result_that_is_lost_to_the_controller_is_said() -> None:
    made, lines, _ = report()
    made.given(Given(PART, NG, 9, 100.05, shown=False), RECIPE)

    assert "lost to the PLC" in lines[0]
    assert "1 results lost" in made.summary()


def test_a_late_verdict_is_noted_as_late() -> None:
    made, lines, notes = report()
    made.came_late(CameLate(PART, NG, 12.3))

    assert "NG came 12.3 ms too late" in lines[0]
    assert json.loads(notes[0])["event"] == "late"


def test_a_fault_says_what_to_do() -> None:
    made, lines, _ = report()
    made.faulted(Faulted(3))

    assert "Clear Error" in lines[0]


def test_the_summary_counts_results_and_their_times() -> None:
    made, _, _ = report()
    assert made.summary() == "no part was triggered"
    for number in range(100):
        made.given(Given(PART, NG, number, 100.0 + number / 1000, shown=True), RECIPE)

    assert made.summary().splitlines() == [
        "100 parts: 0 OK, 100 NG, 0 NO DECISION; 0 late verdicts, 0 results lost to the PLC",
        "trigger to result: p50 49.5 ms, p99 98.0 ms, worst 99.0 ms",
    ]


def test_the_times_of_a_long_run_are_bounded() -> None:
    lines: list[str] = []
    made = StationReport(lines.append)
    for number in range(120_000):
        made.given(Given(PART, NG, number, 100.01, shown=True), RECIPE)
        lines.clear()

    assert len(made._times_ms) < 100_000
    assert "worst 10.0 ms" in made.summary()
