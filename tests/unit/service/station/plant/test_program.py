from __future__ import annotations

from dataclasses import replace

import pytest

from service.station.cycle.machine import CycleTiming, StationCycle
from service.station.cycle.signals import Controls, ResultCode, ShownResult, StationStatus
from service.station.plant.program import PartTexts, PlcProgram, PlcTiming

TIMING = PlcTiming(heartbeat_s=0.25, ack_s=0.05)
IDLE = replace(StationCycle(CycleTiming(100)).status(), online=True, trigger_ready=True, recipe=1)


def result(part: int, code: ResultCode = ResultCode.OK) -> StationStatus:
    shown = ShownResult(1, part, 1, code, None, 0.2, 1)
    return replace(IDLE, results_valid=True, waiting=1, result=shown)


class Plc:
    """A program whose scans are 10 ms apart, before a station whose heart beats."""

    def __init__(self) -> None:
        self.program = PlcProgram(TIMING, recipe=1)
        self.now_s = 0.0
        self.beats = 0

    def scan(
        self, status: StationStatus | None = IDLE, sensed: int | None = None, *, beats: bool = True
    ) -> Controls:
        self.now_s += 0.01
        self.beats += beats
        if status is not None:
            status = replace(status, heartbeat=self.beats)
        return self.program.scan(self.now_s, status, sensed)

    def passes(self, part: int) -> bool:
        return self.program.passes(self.now_s, part)


def test_a_part_passes_by_an_ok_of_its_own_alone() -> None:
    plc = Plc()
    plc.scan()
    plc.scan(result(7))

    assert plc.passes(7)
    assert not plc.passes(8)


def test_no_result_other_than_ok_lets_a_part_pass() -> None:
    for code in set(ResultCode) - {ResultCode.OK}:
        plc = Plc()
        plc.scan()
        plc.scan(result(7, code))
        assert not plc.passes(7)


def test_nothing_passes_before_the_heart_was_seen_to_beat() -> None:
    plc = Plc()
    plc.scan(result(7))

    assert not plc.passes(7)


def test_nothing_passes_once_two_heartbeats_are_missing() -> None:
    plc = Plc()
    plc.scan()
    plc.scan(result(7))
    for _ in range(49):
        plc.scan(beats=False)
    assert plc.passes(7)

    plc.scan(None)
    plc.scan(None)
    assert not plc.passes(7)


def test_the_trigger_stands_until_it_is_acknowledged() -> None:
    plc = Plc()
    said = plc.scan(sensed=7)
    assert (said.trigger, said.part) == (True, 7)
    assert plc.scan().trigger
    assert not plc.scan(replace(IDLE, trigger_ack=True)).trigger
    # The next edge waits until the acknowledge has fallen.
    assert not plc.scan(replace(IDLE, trigger_ack=True), sensed=8).trigger
    assert plc.scan().trigger


def test_the_lot_and_the_code_of_a_part_go_with_its_trigger() -> None:
    program = PlcProgram(TIMING, 1, lambda part: PartTexts(f"L{part}", f"AB-{part}"))
    said = program.scan(0.0, IDLE, sensed=7)

    assert (said.trigger, said.part, said.lot, said.code) == (True, 7, "L7", "AB-7")


def test_a_part_whose_trigger_is_acknowledged_too_late_is_rejected_whatever_comes() -> None:
    plc = Plc()
    plc.scan(sensed=7)
    for _ in range(6):
        plc.scan()
    plc.scan(result(7))

    assert not plc.passes(7)


def test_the_time_for_the_acknowledge_is_the_parts_own_and_not_the_next_ones() -> None:
    plc = Plc()
    plc.scan(sensed=7)
    for _ in range(5):
        plc.scan(None)
    plc.scan(None, sensed=8)
    plc.scan(result(7))

    assert not plc.passes(7)


def test_a_part_that_a_late_scan_has_sensed_is_not_triggered() -> None:
    plc = Plc()
    plc.scan()
    said = plc.program.scan(1.0, IDLE, 7, sensed_s=0.94)

    assert not said.trigger


def test_a_part_that_could_not_be_triggered_in_time_is_not_triggered_later() -> None:
    plc = Plc()
    held = replace(IDLE, trigger_ack=True)
    plc.scan(held, sensed=7)
    for _ in range(6):
        plc.scan(held)

    assert not plc.scan().trigger


def test_each_result_is_acknowledged_until_it_is_gone() -> None:
    plc = Plc()
    assert plc.scan(result(7)).results_ack
    assert plc.scan(result(7)).results_ack
    assert not plc.scan().results_ack


@pytest.mark.parametrize(
    ("first", "then"), [(ResultCode.NG, ResultCode.OK), (ResultCode.OK, ResultCode.NG)]
)
def test_a_part_with_two_results_passes_only_if_both_are_ok(
    first: ResultCode, then: ResultCode
) -> None:
    plc = Plc()
    plc.scan()
    plc.scan(result(7, first))
    plc.scan()
    plc.scan(result(7, then))

    assert not plc.passes(7)


def test_an_error_that_stands_is_cleared_after_a_while() -> None:
    plc = Plc()
    faulty = replace(IDLE, fault=True)
    said = [plc.scan(faulty).clear_error for _ in range(250)]
    assert said.count(True) == 1
    assert not any(said[:200])
    assert not plc.scan().clear_error


def test_the_recipe_is_asked_for_until_it_is_in_force() -> None:
    plc = Plc()
    other = replace(IDLE, recipe=0)
    said = plc.scan(other)
    assert (said.execute_command, said.command) == (True, 1)
    failed = replace(other, command_failed=True)
    assert not plc.scan(failed).execute_command
    assert plc.scan(other).execute_command
    assert not plc.scan(replace(IDLE, command_done=True)).execute_command
    assert not plc.scan().execute_command


def test_a_recipe_that_somebody_else_puts_in_force_stays() -> None:
    plc = Plc()
    assert plc.scan(replace(IDLE, recipe=5)).execute_command
    plc.scan(replace(IDLE, command_done=True))
    plc.scan()

    assert not plc.scan(replace(IDLE, recipe=5)).execute_command
    assert plc.scan(replace(IDLE, recipe=0)).execute_command


def test_a_move_says_what_the_gate_knew() -> None:
    plc = Plc()
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


def test_time_alone_changes_what_is_said_only_while_something_waits_for_it() -> None:
    plc = Plc()
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
    plc = Plc()

    assert plc.scan(replace(IDLE, recipe=0)).execute_command
    assert plc.program.waits
