"""The program on the page for PLCs lets pass what the rule of the gate allows, and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from service.station.cycle.machine import CycleTiming, StationCycle
from service.station.cycle.signals import Controls, ResultCode, ShownResult, StationStatus
from service.station.plc.registers import RegisterMap, controls_of, words_of_status
from service.station.plc.signals import Block
from tests.docs.structured_text import FunctionBlock
from tests.tree import ROOT

REGISTERS = RegisterMap()
IDLE = replace(StationCycle(CycleTiming(100)).status(), online=True, trigger_ready=True, recipe=1)


def result(part: int, code: ResultCode = ResultCode.OK) -> StationStatus:
    shown = ShownResult(1, part, 1, code, None, 0.2, 1)
    return replace(IDLE, results_valid=True, waiting=1, result=shown)


class Plc:
    """The program of the page, whose scans are 10 ms apart, before a station whose heart beats."""

    def __init__(self) -> None:
        text = (ROOT / "docs" / "plc.md").read_text("utf-8")
        source = re.search(r"FUNCTION_BLOCK.*END_FUNCTION_BLOCK", text, re.DOTALL)
        assert source is not None
        self.block = FunctionBlock(source[0])
        self.now_s = 0.0
        self.beats = 0

    def scan(self, status: StationStatus | None = IDLE, sensed: int = 0) -> Controls:
        self.now_s += 0.01
        self.beats += 1
        self._run(status, sensed, at_gate=0)
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
            uiRecipe=1,
        )


def test_a_part_passes_by_an_ok_of_its_own_alone() -> None:
    plc = Plc()
    plc.scan()
    plc.scan(result(70007))
    assert plc.passes(70007)
    assert not plc.passes(70008)


@pytest.mark.parametrize("code", set(ResultCode) - {ResultCode.OK})
def test_no_result_other_than_ok_lets_a_part_pass(code: ResultCode) -> None:
    plc = Plc()
    plc.scan()
    plc.scan(result(7, code))
    assert not plc.passes(7)


def test_nothing_passes_once_two_heartbeats_are_missing() -> None:
    plc = Plc()
    plc.scan()
    plc.scan(result(7))
    for _ in range(49):
        plc.scan(None)
    assert plc.passes(7)
    plc.scan(None)
    plc.scan(None)
    assert not plc.passes(7)


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


def test_the_trigger_stands_until_it_is_acknowledged() -> None:
    plc = Plc()
    said = plc.scan(sensed=7)
    assert (said.trigger, said.part) == (True, 7)
    assert plc.scan().trigger
    assert not plc.scan(replace(IDLE, trigger_ack=True)).trigger
    # The next edge waits until the acknowledge has fallen.
    assert not plc.scan(replace(IDLE, trigger_ack=True), sensed=8).trigger
    assert plc.scan().part == 8


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
