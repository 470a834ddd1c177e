from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from takt.api.stations.schemas import NoDecisionName, OfflineName
from takt_station.plant.conveyor import Conveyor
from takt_station.plant.program import GateMove
from takt_station.plant.table import HEADING, PartTable

PASSED = GateMove(1, True, True, "OK", 0.1, 0.5, None)
NONE = GateMove(1, False, True, "NO_DECISION", 0.3, None, "deadline")
WIDTH = 80


def table(parts: int = 12, defects: float = 0.0, name: str = "07.jpg") -> PartTable:
    conveyor = Conveyor(0.0, 0.2, 0.4, parts, seed=1, defects=defects)
    verdict = "defect" if defects else "good"
    return PartTable(conveyor, ([name], [name]), lambda part: verdict, 300.0, 100.0)


def row(move: GateMove, wait_ms: float | None = 38.2, *, of: PartTable | None = None) -> str:
    (found,) = (of or table()).rows(move, wait_ms)
    return found


def test_a_part_has_a_row_with_what_was_shown_expected_and_done() -> None:
    assert HEADING == "part  shown            expected      wait  at the gate"
    assert row(PASSED) == "   1  good 07.jpg      good         38 ms  OK, passes"
    rejected = replace(PASSED, passed=False, result="NG")
    of = table(defects=1.0)
    assert row(rejected, of=of) == "   1  defect 07.jpg    defect       38 ms  NG, rejected"


def test_a_part_without_a_decision_has_its_reason() -> None:
    assert row(NONE, 300.4).endswith("good        300 ms  no decision: no answer within 300 ms")
    late = row(replace(NONE, reason="acquisition"), 100.0)
    assert late.endswith("no decision: no picture within 100 ms")


def test_what_a_plc_alone_knows_is_a_reason_as_well() -> None:
    unheard = replace(NONE, result=None, result_s=None, reason=None)
    assert row(unheard, None).endswith("–  no decision: no result by then")
    cut = row(replace(unheard, well=False), None)
    assert cut.endswith("no decision: no heartbeat")
    late = replace(NONE, result="NONE", reason=None)
    assert row(late).endswith("no decision: trigger unanswered")
    silent = replace(PASSED, passed=False, well=False)
    assert row(silent).endswith("OK, rejected: no heartbeat")


@pytest.mark.parametrize("reason", [*get_args(NoDecisionName), *get_args(OfflineName)])
def test_every_reason_that_a_station_has_fits_a_terminal(reason: str) -> None:
    of = table(parts=100, defects=1.0, name="of/some/folder/with/a/long_name.png")
    said = row(replace(NONE, part=100, reason=reason), 12_345.0, of=of)

    assert len(said) <= WIDTH
    assert "no decision: " in said
    assert "defect …ame.png" in said


def test_hundreds_of_parts_are_told_by_fifties_but_those_that_went_otherwise() -> None:
    of = table(parts=120)
    said = []
    for part in range(1, 121):
        move = replace(NONE if part in (7, 93) else PASSED, part=part)
        said += of.rows(move, 300.0 if part in (7, 93) else 40.0 + part)

    first = [str(part) for part in range(1, 11)]
    assert [line.split()[0] for line in said] == [*first, "1", "93", "51", "101"]
    assert said[10] == "1 to 50: 49 as expected, each within 90 ms"
    assert said[12] == "51 to 100: 49 as expected, each within 140 ms"
    assert said[13] == "101 to 120: 20 as expected, each within 160 ms"


def test_of_hundreds_of_parts_that_all_went_otherwise_a_few_are_shown() -> None:
    of = table(parts=150)
    said = [line for part in range(1, 51) for line in of.rows(replace(NONE, part=part), 300.0)]

    assert len(said) == 11
    assert said[-1] == "1 to 50: 0 as expected; 40 more without a row"
    assert of.reasons().startswith("50 without a decision")


def test_reasons_are_counted_and_those_for_want_of_time_apart() -> None:
    of = table()
    assert of.reasons() == ""
    for reason in ("deadline", "fault", "deadline"):
        of.rows(replace(NONE, reason=reason), 300.0)

    assert of.reasons() == (
        "3 without a decision: 2 no answer within 300 ms, 1 late in a row: fault"
    )
    assert of.untimely == 3
