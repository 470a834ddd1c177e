from __future__ import annotations

import pytest

from plugins.station.tests.cycle.line import NG, OK, Line
from takt_station.cycle.effects import Acquire, Faulted, no_decision
from takt_station.cycle.machine import CycleTiming, StationCycle
from takt_station.cycle.results import DEPTH
from takt_station.cycle.signals import (
    Controls,
    NoDecisionReason,
    OfflineReason,
    ResultCode,
)


def test_a_part_has_the_verdict_that_comes_in_time() -> None:
    line = Line()
    part = line.part(part=77)
    line.wait(40)
    line.decide(part, NG)

    (given,) = line.given
    status = line.cycle.status()
    assert (given.part.part, given.decision, given.at_s) == (77, NG, pytest.approx(100.04))
    assert status.result is not None
    assert (status.result.part, status.result.code) == (77, ResultCode.NG)
    assert status.results_valid
    assert status.completed


def test_a_part_without_a_verdict_has_no_decision_when_it_is_due() -> None:
    line = Line(CycleTiming(result_ms=100))
    line.part()

    line.wait(99)
    assert line.given == []
    line.wait(1)

    (given,) = line.given
    assert (given.decision.code, given.decision.reason) == (
        ResultCode.NO_DECISION,
        NoDecisionReason.DEADLINE,
    )
    assert given.at_s == pytest.approx(100.1)


def test_a_verdict_at_the_very_moment_that_a_part_is_due_is_late() -> None:
    line = Line(CycleTiming(result_ms=100))
    part = line.part()
    line.now_s = line.cycle.next_s or 0.0

    line.decide(part, OK)

    assert line.codes == ["deadline"]
    assert [one.part.sequence for one in line.late] == [part]


@pytest.mark.parametrize("reason", list(NoDecisionReason))
def test_only_a_verdict_is_told_as_late_and_not_that_there_is_none(
    reason: NoDecisionReason,
) -> None:
    line = Line()
    part = line.part()
    line.wait(110)

    line.decide(part, no_decision(reason))

    assert line.codes == ["deadline"]
    assert bool(line.late) == (reason is NoDecisionReason.UNDECIDED)


def test_a_late_verdict_is_told_and_never_shown_for_the_next_part() -> None:
    line = Line()
    first = line.part(part=1)
    line.wait(100)
    second = line.part(part=2)
    line.wait(10)

    line.decide(first, OK)

    assert line.codes == ["deadline"]
    (late,) = line.late
    assert (late.part.part, late.decision, late.late_ms) == (1, OK, pytest.approx(10))
    line.decide(second, NG)
    result = line.cycle.status().result
    assert result is not None
    assert (result.part, result.code) == (2, ResultCode.NG)


def test_results_are_given_in_the_order_of_the_triggers() -> None:
    line = Line()
    first = line.part()
    line.wait(20)
    second = line.part()

    line.decide(second, OK)
    assert line.given == []
    line.decide(first, NG)

    assert [one.part.sequence for one in line.given] == [first, second]
    assert line.codes == ["NG", "OK"]


def test_a_part_that_is_decided_waits_no_longer_than_the_one_before_it_is_due() -> None:
    line = Line(CycleTiming(result_ms=100))
    line.part()
    line.wait(20)
    line.decide(line.part(), OK)

    line.wait(80)

    assert line.codes == ["deadline", "OK"]
    assert all(one.at_s <= one.part.due_s for one in line.given)


def test_a_good_part_is_no_longer_good_where_nobody_called_in_time() -> None:
    line = Line(CycleTiming(result_ms=100))
    line.part()
    line.decide(line.part(), OK)

    line.now_s += 5.0  # the process stood still
    line.told += line.cycle.advance(line.now_s)

    assert line.codes == ["deadline", "deadline"]


def test_a_trigger_while_the_picture_before_it_is_taken_has_no_decision() -> None:
    line = Line()
    first = line.trigger(part=1)
    line.trigger(part=2)

    line.told += line.cycle.see_acquired(line.now_s, first)
    line.decide(first, OK)

    assert [(one.part.part, code) for one, code in zip(line.given, line.codes, strict=True)] == [
        (1, "OK"),
        (2, "busy"),
    ]
    assert line.cycle.status().overrun


def test_the_next_part_may_begin_before_the_last_result_is_read() -> None:
    line = Line()
    line.say(buffer_results=True)
    for part in (1, 2, 3):
        assert line.cycle.status().trigger_ready
        line.decide(line.part(part), OK)
        line.wait(20)

    assert (line.cycle.status().waiting, line.codes) == (3, ["OK"] * 3)


def test_more_parts_at_a_time_than_may_be_inspected_have_no_decision() -> None:
    line = Line(CycleTiming(result_ms=100, most_inspected=2))
    parts = [line.part(), line.part()]
    assert not line.cycle.status().trigger_ready
    line.part()

    for part in parts:
        line.decide(part)

    assert line.codes == ["OK", "OK", "busy"]


def test_a_level_is_no_edge() -> None:
    line = Line()
    line.say(trigger=True)
    line.say(trigger=True, part=9)

    assert sum(isinstance(one, Acquire) for one in line.told) == 1
    assert line.cycle.status().trigger_ack
    line.say(trigger=False)
    assert not line.cycle.status().trigger_ack


@pytest.mark.parametrize("said", [{"trigger_enable": False}, {"set_offline": True}])
def test_a_trigger_that_does_not_count_is_not_acknowledged(said: dict[str, bool]) -> None:
    line = Line()
    line.say(**said)
    line.say(trigger=True)

    assert not line.cycle.status().trigger_ack
    assert not line.cycle.status().trigger_ready
    assert line.given == []


def test_a_result_that_is_due_without_room_is_told_and_lost_to_the_controller_alone() -> None:
    line = Line()
    line.say(buffer_results=True)
    for _ in range(DEPTH + 1):
        line.decide(line.part())

    assert len(line.given) == DEPTH
    assert not line.cycle.status().overrun
    line.wait(100)
    assert [one.shown for one in line.given] == [True] * DEPTH + [False]
    assert line.cycle.status().overrun
    line.say(clear_error=True)
    assert not line.cycle.status().overrun


def test_results_that_waited_for_one_before_them_wait_for_room_too() -> None:
    line = Line()
    line.say(buffer_results=True)
    slow = line.part()
    line.wait(50)
    for _ in range(2 * DEPTH):
        line.decide(line.part(), NG)
    line.decide(slow)

    assert len(line.given) == DEPTH
    line.say(results_ack=True)
    assert len(line.given) == DEPTH + 1
    for _ in range(2 * DEPTH):
        line.say(results_ack=False)
        line.say(results_ack=True)
    assert line.codes == ["OK"] + ["NG"] * 2 * DEPTH
    assert all(one.shown for one in line.given)
    assert not line.cycle.status().overrun


def test_a_camera_that_gives_no_picture_is_no_decision_and_an_error_until_it_is_cleared() -> None:
    line = Line()
    part = line.trigger()
    line.told += line.cycle.see_acquisition_error(line.now_s, part)

    assert line.codes == ["acquisition"]
    assert line.cycle.status().acquisition_error
    line.say(clear_error=True)
    assert not line.cycle.status().acquisition_error


@pytest.mark.parametrize(
    ("engine", "camera", "why"),
    [(False, True, OfflineReason.ENGINE), (True, False, OfflineReason.CAMERA)],
)
def test_parts_have_no_decision_while_something_is_not_well(
    engine: bool, camera: bool, why: OfflineReason
) -> None:
    line = Line()
    line.told += line.cycle.see_well(line.now_s, engine=engine, camera=camera)
    beats = line.cycle.status().heartbeat

    line.trigger(part=5)
    line.wait(3000)

    status = line.cycle.status()
    assert line.codes == ["offline"]
    assert (status.online, status.offline_reason, status.heartbeat) == (False, why, beats)


def test_the_heart_beats_while_all_is_well() -> None:
    line = Line(CycleTiming(result_ms=100, heartbeat_ms=250))
    line.wait(2000)

    assert line.cycle.status().heartbeat == 8


def test_a_process_that_stood_still_does_not_make_up_for_beats() -> None:
    line = Line(CycleTiming(result_ms=100, heartbeat_ms=250))
    line.now_s += 60.0
    for _ in range(3):
        line.told += line.cycle.advance(line.now_s)

    assert line.cycle.status().heartbeat <= 2


def test_three_late_verdicts_in_a_row_are_a_fault_until_it_is_cleared() -> None:
    line = Line(CycleTiming(result_ms=100, most_inspected=8))
    for _ in range(3):
        line.part()
        line.wait(100)

    assert Faulted(3) in line.told
    status = line.cycle.status()
    assert (status.fault, status.offline_reason) == (True, OfflineReason.FAULT)
    line.trigger()
    line.say(clear_error=True)
    line.say(clear_error=False)
    line.decide(line.part(), OK)
    assert line.codes == ["deadline"] * 3 + ["offline", "OK"]
    assert not line.cycle.status().fault


def test_a_verdict_in_time_begins_the_count_of_late_ones_anew() -> None:
    line = Line()
    for _ in range(4):
        for _ in range(2):
            line.part()
            line.wait(100)
        line.decide(line.part(), no_decision(NoDecisionReason.UNDECIDED, 0.4))

    assert not line.cycle.status().fault


def test_a_recipe_is_of_the_parts_that_are_triggered_after_it() -> None:
    line = Line(recipe=1)
    before = line.part()
    line.change_recipe(2)
    after = line.part()
    line.decide(before)
    line.decide(after)

    assert [one.part.recipe for one in line.given] == [1, 2]
    assert line.cycle.status().recipe == 2


def test_there_is_no_decision_by_an_unknown_recipe_nor_by_the_one_before_it() -> None:
    line = Line(recipe=1)
    line.say(execute_command=True, command=9)
    line.told += line.cycle.see_recipe(line.now_s, 9, known=False)

    assert line.cycle.status().command_failed
    line.trigger()
    assert line.codes == ["unknown_recipe"]
    line.say(execute_command=False)
    assert not line.cycle.status().command_failed
    line.change_recipe(1)
    line.decide(line.part())
    assert line.codes == ["unknown_recipe", "OK"]


def test_there_is_no_decision_while_a_recipe_is_looked_for() -> None:
    line = Line(recipe=1)
    line.say(execute_command=True, command=2)
    status = line.cycle.status()
    assert (status.command_busy, status.command_done, status.trigger_ready) == (True, False, False)

    line.trigger()

    assert line.codes == ["busy"]
    line.told += line.cycle.see_recipe(line.now_s, 2, known=True)
    assert line.cycle.status().command_done


@pytest.mark.parametrize("known", [True, False])
def test_a_command_of_the_controller_does_not_end_by_the_recipe_before_it(known: bool) -> None:
    line = Line(recipe=1)
    # As the station's file or the console wants it.
    line.told += line.cycle.change_recipe(line.now_s, 5)
    line.told += line.cycle.see_recipe(line.now_s, 5, known=known)

    line.say(execute_command=True, command=2)

    status = line.cycle.status()
    assert (status.command_busy, status.command_done, status.command_failed) == (True, False, False)
    line.told += line.cycle.see_recipe(line.now_s, 2, known=True)
    assert line.cycle.status().command_done


def test_the_recipe_that_was_asked_for_last_counts() -> None:
    line = Line(recipe=1)
    for number in (2, 3):
        line.say(execute_command=True, command=number)
        line.say(execute_command=False)

    line.told += line.cycle.see_recipe(line.now_s, 2, known=True)
    assert line.cycle.status().command_busy
    line.told += line.cycle.see_recipe(line.now_s, 3, known=True)

    assert line.cycle.status().recipe == 3


def test_the_recipe_of_a_code_is_of_its_part_alone_whatever_is_in_force() -> None:
    line = Line(recipe=1)
    for by_code in (None, 2, None):
        line.decide(line.part(by_code=by_code))
    line.change_recipe(3)
    line.decide(line.part(by_code=2))

    assert line.codes == ["OK"] * 4
    assert [one.part.recipe for one in line.given] == [1, 2, 1, 2]
    assert [one.part.by_code for one in line.given] == [False, True, False, True]
    assert line.cycle.status().recipe == 3


def test_the_recipe_of_a_code_needs_none_in_force() -> None:
    line = Line(recipe=0)
    line.decide(line.part(by_code=2))

    assert line.codes == ["OK"]
    assert line.cycle.status().recipe == 0


def test_a_part_whose_code_names_no_recipe_has_no_decision_whatever_is_in_force() -> None:
    line = Line(recipe=1)
    line.trigger(by_code=0)

    assert line.codes == ["unknown_recipe"]
    assert line.given[0].part.recipe == 0
    result = line.cycle.status().result
    assert result is not None and result.recipe == 0
    line.decide(line.part())
    assert line.codes == ["unknown_recipe", "OK"]


def test_a_part_with_a_code_is_no_exception_while_a_recipe_is_looked_for() -> None:
    line = Line(recipe=1)
    line.say(execute_command=True, command=2)
    line.trigger(by_code=3)

    assert line.codes == ["busy"]


def test_a_part_has_the_lot_and_the_code_that_stood_at_its_trigger() -> None:
    line = Line()
    line.say(lot="L7", code="AB-1")
    sequence = line.part()
    line.say(lot="L8", code=None)
    line.decide(sequence)
    line.decide(line.part())

    assert [(one.part.lot, one.part.code) for one in line.given] == [("L7", "AB-1"), ("L8", None)]


def test_without_a_recipe_there_is_no_decision() -> None:
    line = Line(recipe=0)
    line.trigger()

    assert line.codes == ["unknown_recipe"]


def test_a_flood_of_triggers_is_bounded_and_told() -> None:
    line = Line(CycleTiming(result_ms=100))
    line.part()
    for _ in range(1000):
        line.trigger()

    assert line.cycle.status().overrun
    line.wait(100)
    assert len(line.given) == 256
    assert set(line.codes) == {"deadline", "busy"}


def test_ids_begin_anew_after_65535_and_never_are_0() -> None:
    line = Line(CycleTiming(result_ms=100))
    seen = set()
    for _ in range(65_537):
        line.told.clear()
        line.told += line.cycle.see_well(line.now_s, engine=False, camera=True)
        line.trigger()
        result = line.cycle.status().result
        assert result is not None
        seen.add(result.acquisition)

    assert (min(seen), max(seen), len(seen)) == (1, 65_535, 65_535)
    assert line.cycle.status().acquisition == 2


def test_a_station_that_begins_anew_takes_no_part_for_an_old_trigger() -> None:
    cycle = StationCycle(CycleTiming(result_ms=100))
    for effect in (
        *cycle.see_well(0.0, engine=True, camera=True),
        *cycle.change_recipe(0.0, 1),
        *cycle.see_recipe(0.0, 1, known=True),
        *cycle.controls(0.0, Controls(trigger_enable=True, trigger=True)),
    ):
        assert not isinstance(effect, Acquire)

    assert not cycle.status().trigger_ack
    cycle.controls(0.1, Controls(trigger_enable=True))
    (effect,) = cycle.controls(0.2, Controls(trigger_enable=True, trigger=True))
    assert isinstance(effect, Acquire)
