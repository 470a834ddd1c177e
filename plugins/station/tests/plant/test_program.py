from __future__ import annotations

from dataclasses import replace

import pytest

from plugins.station.tests.plant.scanned import IDLE, TIMING, PlantPlc, result
from takt_station.cycle.signals import NoDecisionReason, OfflineReason, ResultCode
from takt_station.plant.program import PartTexts, PlcProgram


def test_the_lot_and_the_code_of_a_part_go_with_its_trigger() -> None:
    program = PlcProgram(TIMING, 1, lambda part: PartTexts(f"L{part}", f"AB-{part}"))
    said = program.scan(0.0, IDLE, sensed=7)

    assert (said.trigger, said.part, said.lot, said.code) == (True, 7, "L7", "AB-7")


def test_a_part_that_a_late_scan_has_sensed_is_not_triggered() -> None:
    plc = PlantPlc()
    plc.scan()
    said = plc.program.scan(1.0, IDLE, 7, sensed_s=0.94)

    assert not said.trigger


def test_an_error_that_stands_is_cleared_after_a_while() -> None:
    plc = PlantPlc()
    faulty = replace(IDLE, fault=True)
    said = [plc.scan(faulty).clear_error for _ in range(250)]
    assert said.count(True) == 1
    assert not any(said[:200])
    assert not plc.scan().clear_error


def test_a_move_says_what_the_gate_knew() -> None:
    plc = PlantPlc()
    plc.scan()
    plc.scan(result(7))

    move = plc.program.move(plc.now_s, 7)
    assert (move.part, move.passed, move.well, move.result, move.score) == (
        7,
        True,
        True,
        "OK",
        0.2,
    )
    assert plc.program.move(plc.now_s, 8).result is None


@pytest.mark.parametrize(
    ("reason", "offline", "told"),
    [
        (NoDecisionReason.DEADLINE, OfflineReason.NONE, "deadline"),
        (NoDecisionReason.OFFLINE, OfflineReason.ENGINE, "engine"),
        (NoDecisionReason.OFFLINE, OfflineReason.NONE, "offline"),
    ],
)
def test_a_move_says_why_there_is_no_decision(
    reason: NoDecisionReason, offline: OfflineReason, told: str
) -> None:
    plc = PlantPlc()
    shown = result(7, ResultCode.NO_DECISION)
    assert shown.result is not None
    online = offline is OfflineReason.NONE
    plc.scan(
        replace(
            shown,
            online=online,
            offline_reason=offline,
            result=replace(shown.result, reason=reason),
        )
    )

    assert plc.program.move(plc.now_s, 7).reason == told


def test_time_alone_changes_what_is_said_only_while_something_waits_for_it() -> None:
    plc = PlantPlc()
    plc.scan()
    plc.scan()
    assert not plc.program.waits

    assert plc.scan(sensed=7).trigger
    assert plc.program.waits  # for the acknowledge

    plc.scan(replace(IDLE, trigger_ack=True))
    plc.scan()
    assert not plc.program.waits

    plc.scan(replace(IDLE, overrun=True))
    assert plc.program.waits  # until the error is cleared


def test_a_recipe_that_is_asked_for_is_asked_for_again_after_a_while() -> None:
    plc = PlantPlc()

    assert plc.scan(replace(IDLE, recipe=0)).execute_command
    assert plc.program.waits
