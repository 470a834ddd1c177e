"""The rule of the gate, kept by the plant's program and by the one that the page for PLCs has."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Protocol

import pytest

from plugins.station.tests.plant.scanned import IDLE, PlantPlc, result
from takt_station.cycle.signals import Controls, ResultCode, StationStatus
from takt_station.plc.registers import RegisterMap, controls_of, words_of_status
from takt_station.plc.signals import Block
from tests.docs.structured_text import FunctionBlock
from tests.tree import ROOT

REGISTERS = RegisterMap()


class Plc(Protocol):
    """A program whose scans are 10 ms apart, before a station whose heart beats."""

    def scan(
        self, status: StationStatus | None = IDLE, sensed: int | None = None, *, beats: bool = True
    ) -> Controls: ...

    def passes(self, part: int) -> bool: ...


class PagePlc:
    """The program of the page."""

    def __init__(self) -> None:
        text = (ROOT / "docs" / "plc.md").read_text("utf-8")
        source = re.search(r"FUNCTION_BLOCK.*END_FUNCTION_BLOCK", text, re.DOTALL)
        assert source is not None
        self.block = FunctionBlock(source[0])
        self.now_s = 0.0
        self.beats = 0
        self.recipe = 1

    def scan(
        self, status: StationStatus | None = IDLE, sensed: int | None = None, *, beats: bool = True
    ) -> Controls:
        self.now_s += 0.01
        self.beats += beats
        self._run(status, sensed or 0, at_gate=0)
        words = self.block.values["aWrite"]
        assert isinstance(words, list)
        return controls_of({Block.CONTROL: words[:2], Block.INPUT: words[2:]}, REGISTERS)

    def passes(self, part: int) -> bool:
        self._run(None, 0, at_gate=part)
        return bool(self.block.values["xPass"])

    def _run(self, status: StationStatus | None, sensed: int, at_gate: int) -> None:
        if status is not None:
            words = words_of_status(replace(status, heartbeat=self.beats), REGISTERS)
            self.block.values["aRead"] = words[Block.STATUS] + words[Block.OUTPUT]
        self.block.scan(
            tNow=self.now_s,
            xRead=status is not None,
            xSensed=sensed != 0,
            udiSensed=sensed,
            udiAtGate=at_gate,
            uiRecipe=self.recipe,
        )


@pytest.fixture(params=[PlantPlc, PagePlc])
def plc(request: pytest.FixtureRequest) -> Plc:
    program: Plc = request.param()
    return program


def test_a_part_passes_by_an_ok_of_its_own_alone(plc: Plc) -> None:
    plc.scan()
    plc.scan(result(70007))

    assert plc.passes(70007)
    assert not plc.passes(70008)


@pytest.mark.parametrize("code", set(ResultCode) - {ResultCode.OK})
def test_no_result_other_than_ok_lets_a_part_pass(plc: Plc, code: ResultCode) -> None:
    plc.scan()
    plc.scan(result(7, code))

    assert not plc.passes(7)


def test_nothing_passes_before_the_heart_was_seen_to_beat(plc: Plc) -> None:
    plc.scan(result(7))

    assert not plc.passes(7)


def test_nothing_passes_once_two_heartbeats_are_missing(plc: Plc) -> None:
    plc.scan()
    plc.scan(result(7))
    for _ in range(49):
        plc.scan(beats=False)
    assert plc.passes(7)

    plc.scan(None)
    plc.scan(None)
    assert not plc.passes(7)


def test_the_trigger_stands_until_it_is_acknowledged(plc: Plc) -> None:
    said = plc.scan(sensed=7)
    assert (said.trigger, said.part) == (True, 7)
    assert plc.scan().trigger
    assert not plc.scan(replace(IDLE, trigger_ack=True)).trigger
    # The next edge waits until the acknowledge has fallen.
    assert not plc.scan(replace(IDLE, trigger_ack=True), sensed=8).trigger
    assert plc.scan().part == 8


def test_a_part_whose_trigger_is_acknowledged_too_late_is_rejected_whatever_comes(plc: Plc) -> None:
    plc.scan(sensed=7)
    for _ in range(6):
        plc.scan()
    plc.scan(result(7))

    assert not plc.passes(7)


def test_the_time_for_the_acknowledge_is_the_parts_own_and_not_the_next_ones(plc: Plc) -> None:
    plc.scan(sensed=7)
    for _ in range(5):
        plc.scan(None)
    plc.scan(None, sensed=8)
    plc.scan(result(7))

    assert not plc.passes(7)


def test_a_part_that_could_not_be_triggered_in_time_is_not_triggered_later(plc: Plc) -> None:
    held = replace(IDLE, trigger_ack=True)
    plc.scan(held, sensed=7)
    for _ in range(6):
        plc.scan(held)

    assert not plc.scan().trigger


def test_each_result_is_acknowledged_until_it_is_gone(plc: Plc) -> None:
    assert plc.scan(result(7)).results_ack
    assert plc.scan(result(7)).results_ack
    assert not plc.scan().results_ack


@pytest.mark.parametrize(
    ("first", "then"), [(ResultCode.NG, ResultCode.OK), (ResultCode.OK, ResultCode.NG)]
)
def test_a_part_with_two_results_passes_only_if_both_are_ok(
    plc: Plc, first: ResultCode, then: ResultCode
) -> None:
    plc.scan()
    plc.scan(result(7, first))
    plc.scan()
    plc.scan(result(7, then))

    assert not plc.passes(7)


def test_the_recipe_is_asked_for_until_it_is_in_force(plc: Plc) -> None:
    other = replace(IDLE, recipe=0)
    said = plc.scan(other)
    assert (said.execute_command, said.command) == (True, 1)
    failed = replace(other, command_failed=True)
    assert not plc.scan(failed).execute_command
    assert plc.scan(other).execute_command
    assert not plc.scan(replace(IDLE, command_done=True)).execute_command
    assert not plc.scan().execute_command


def test_a_recipe_that_somebody_else_puts_in_force_stays(plc: Plc) -> None:
    assert plc.scan(replace(IDLE, recipe=5)).execute_command
    plc.scan(replace(IDLE, command_done=True))
    plc.scan()

    assert not plc.scan(replace(IDLE, recipe=5)).execute_command
    assert plc.scan(replace(IDLE, recipe=0)).execute_command


def test_a_station_that_began_anew_with_another_recipe_is_asked_for_the_plc_s(plc: Plc) -> None:
    _begun(plc)
    for _ in range(51):
        plc.scan(None)

    assert plc.scan(replace(IDLE, recipe=5)).execute_command
    assert plc.scan(replace(IDLE, recipe=5)).execute_command
    plc.scan(replace(IDLE, command_done=True))
    assert not plc.scan().execute_command


def test_a_station_that_was_away_keeps_what_somebody_else_has_put_in_force(plc: Plc) -> None:
    _begun(plc)
    plc.scan(replace(IDLE, recipe=5))
    for _ in range(51):
        plc.scan(None)

    assert not plc.scan(replace(IDLE, recipe=5)).execute_command


def test_the_page_s_program_asks_for_another_recipe_where_the_plc_wants_another() -> None:
    plc = PagePlc()
    _begun(plc)
    plc.recipe = 2
    said = plc.scan()
    assert (said.execute_command, said.command) == (True, 2)
    plc.scan(replace(IDLE, recipe=2, command_done=True))
    assert not plc.scan(replace(IDLE, recipe=2)).execute_command


def _begun(plc: Plc) -> None:
    """The PLC's recipe is in force, and the heart has been seen to beat."""
    for _ in range(3):
        plc.scan()
