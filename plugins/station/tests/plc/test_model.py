"""The cycle behind its real socket does what a simple model of it does, whatever happens.

The model keeps every part for ever, and says by its rules alone what a controller has to read.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pymodbus.client import ModbusTcpClient

from takt_station.cycle.effects import PartDecision
from takt_station.cycle.machine import CycleTiming, StationCycle
from takt_station.cycle.signals import (
    Controls,
    NoDecisionReason,
    OfflineReason,
    ResultCode,
    ShownResult,
    StationStatus,
)
from takt_station.plc.camera import ModbusCamera
from takt_station.plc.registers import RegisterMap, status_of, words_of_controls
from takt_station.plc.signals import Block

TIMING = CycleTiming(result_ms=100, heartbeat_ms=10_000, most_inspected=2, late_in_a_row=3)
REGISTERS = RegisterMap()
RECIPES = {"AB": 2, "CD": 3, "": None, None: 0}
"""Recipes of codes; 0 is none, and None says nothing of recipes."""

Verdict = tuple[ResultCode, NoDecisionReason | None]


def undecided(reason: NoDecisionReason) -> Verdict:
    return ResultCode.NO_DECISION, reason


@dataclass
class Part:
    """A part of the model; `verdict` is None until it is decided."""

    number: int
    part: int
    recipe: int
    due: float
    verdict: Verdict | None = None
    is_acquired: bool = False
    is_inspected: bool = False
    is_given: bool = False

    @property
    def result(self) -> ShownResult:
        assert self.verdict is not None
        code, reason = self.verdict
        return ShownResult(self.number, self.part, self.number, code, reason, 0.5, self.recipe)


@dataclass
class Model:
    """What a controller has to read."""

    now: float = 0.0
    said: Controls = field(default_factory=Controls)
    parts: list[Part] = field(default_factory=list)
    waiting: list[Part] = field(default_factory=list)
    shown: Part | None = None
    is_valid: bool = False
    is_engine_well: bool = True
    is_camera_well: bool = True
    is_fault: bool = False
    late: int = 0
    is_overrun: bool = False
    is_acquisition_error: bool = False
    is_acknowledged: bool = False
    recipe: int = 1
    is_known: bool = True
    wanted: int | None = None
    done: bool | None = None

    @property
    def open(self) -> list[Part]:
        return [one for one in self.parts if not one.is_given]

    @property
    def busy(self) -> list[Part]:
        return [one for one in self.open if one.verdict is None]

    @property
    def why_offline(self) -> OfflineReason:
        reasons = {
            OfflineReason.SET_OFFLINE: self.said.set_offline,
            OfflineReason.FAULT: self.is_fault,
            OfflineReason.ENGINE: not self.is_engine_well,
            OfflineReason.CAMERA: not self.is_camera_well,
        }
        return next((reason for reason, holds in reasons.items() if holds), OfflineReason.NONE)

    @property
    def is_ready(self) -> bool:
        return (
            self.said.trigger_enable
            and self.why_offline is OfflineReason.NONE
            and self.wanted is None
            and len(self.busy) < TIMING.most_inspected
            and all(one.is_acquired for one in self.busy)
        )

    def pass_time(self, to: float) -> None:
        """Every part that falls due has no decision at that moment, in the order of triggers."""
        for one in self.parts:
            if one.due <= to and one.verdict is None:
                one.verdict = undecided(NoDecisionReason.DEADLINE)
                self.late += 1
                self.is_fault |= self.late >= TIMING.late_in_a_row
        self.now = to
        self.give()

    def give(self) -> None:
        for one in self.open:
            if one.verdict is None:
                return
            is_full = self.said.buffer_results and len(self.waiting) == 8
            if is_full and self.now < one.due:
                return
            one.is_given = True
            if not self.said.buffer_results:
                self.waiting = [one]
                self.show()
            elif is_full:
                self.is_overrun = True
            else:
                self.waiting.append(one)
                if not self.said.results_ack:
                    self.show()

    def show(self) -> None:
        if self.waiting:
            self.shown, self.is_valid = self.waiting[0], True

    def hear(self, said: Controls) -> None:
        before, self.said = self.said, said
        if said.results_ack and not before.results_ack and self.is_valid:
            self.waiting, self.is_valid = self.waiting[1:], False
        if before.buffer_results and not said.buffer_results:
            self.waiting = self.waiting[-1:]
        if (before.results_ack and not said.results_ack) or not said.buffer_results:
            self.show()
        if said.clear_error and not before.clear_error:
            self.is_acquisition_error = self.is_overrun = False
            self.late = 0 if self.is_fault else self.late
            self.is_fault = False
        if not said.execute_command:
            self.done = None
        elif not before.execute_command:
            self.done, self.wanted = None, said.command
        self.is_acknowledged &= said.trigger
        if said.trigger and not before.trigger:
            self.trigger()
        self.give()

    def trigger(self) -> None:
        if not self.said.trigger_enable or self.said.set_offline:
            return
        by_code = RECIPES.get(self.said.code, 0)
        recipe = self.recipe if by_code is None else by_code
        part = Part(len(self.parts) + 1, self.said.part, recipe, self.now + 0.1)
        if self.why_offline is not OfflineReason.NONE:
            part.verdict = undecided(NoDecisionReason.OFFLINE)
        elif by_code == 0 or (by_code is None and self.wanted is None and not self.is_known):
            part.verdict = undecided(NoDecisionReason.RECIPE)
        elif not self.is_ready:
            part.verdict = undecided(NoDecisionReason.BUSY)
            self.is_overrun = True
        part.is_inspected = part.verdict is None
        self.parts.append(part)
        self.is_acknowledged = True

    def decide(self, part: Part, verdict: Verdict) -> None:
        if part.verdict is None:
            part.verdict = verdict
            if verdict[1] is None:
                self.late = 0
        self.give()

    def status(self, heartbeat: int) -> StationStatus:
        return StationStatus(
            online=self.why_offline is OfflineReason.NONE,
            offline_reason=self.why_offline,
            trigger_ready=self.is_ready,
            trigger_ack=self.is_acknowledged,
            acquiring=any(not one.is_acquired for one in self.busy),
            acquisition_error=self.is_acquisition_error,
            inspecting=any(one.is_acquired for one in self.busy),
            completed=sum(one.is_given for one in self.parts) % 2 == 1,
            results_valid=self.is_valid,
            overrun=self.is_overrun,
            fault=self.is_fault,
            command_busy=self.wanted is not None,
            command_done=self.done is True,
            command_failed=self.done is False,
            recipe=self.recipe,
            acquisition=len(self.parts),
            heartbeat=heartbeat,
            waiting=len(self.waiting),
            result=self.shown.result if self.shown else None,
        )


class Served:
    """The real cycle on the model's clock, behind a real server; all calls come in turn."""

    def __init__(self) -> None:
        self.now = 0.0
        self.cycle = StationCycle(TIMING)
        self.cycle.see_well(0.0, engine=True, camera=True)
        self.cycle.change_recipe(0.0, 1)
        self.cycle.see_recipe(0.0, 1, known=True)

    def controls(self, said: Controls) -> None:
        self.cycle.controls(self.now, said, RECIPES.get(said.code, 0))

    def status(self) -> StationStatus:
        self.cycle.advance(self.now)
        return self.cycle.status()

    def pass_time(self, to: float) -> None:
        while (due := self.cycle.next_s) is not None and due <= to:
            self.cycle.advance(due)
        self.now = to
        self.cycle.advance(to)


@contextmanager
def listening(station: Served) -> Iterator[int]:
    """Serve it on a loop of its own; gives the port."""
    port: Future[int] = Future()
    stopped = asyncio.Event()

    async def serve() -> None:
        camera = ModbusCamera("127.0.0.1", 0, REGISTERS, station.controls, station.status)
        await camera.start()
        port.set_result(camera.port)
        await stopped.wait()
        await camera.stop()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        yield port.result(10)
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        loop.close()


class CycleBehindItsSocket(RuleBasedStateMachine):
    """Whatever happens, what is read in one request is what the model says."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.station = Served()
        self._listening = listening(self.station)
        self.client = ModbusTcpClient("127.0.0.1", port=self._listening.__enter__(), timeout=5)
        assert self.client.connect()

    def teardown(self) -> None:
        self.client.close()
        self._listening.__exit__(None, None, None)

    def say(self, **changes: bool | int | str) -> None:
        self.model.hear(replace(self.model.said, **changes))  # type: ignore[arg-type]
        words = words_of_controls(self.model.said, REGISTERS)
        written = self.client.write_registers(0, [*words[Block.CONTROL], *words[Block.INPUT]])
        assert not written.isError()

    @initialize(buffering=st.booleans())
    def begin(self, buffering: bool) -> None:
        self.say(trigger_enable=True, buffer_results=buffering)

    @rule(part=st.integers(0, 0xFFFF_FFFF), code=st.sampled_from(["", "", "AB", "CD", "XY"]))
    def a_part_comes(self, part: int, code: str) -> None:
        self.say(trigger=False)
        self.say(trigger=True, part=part, code=code)

    @rule()
    def the_trigger_falls(self) -> None:
        self.say(trigger=False)

    @rule()
    def a_result_is_acknowledged(self) -> None:
        self.say(results_ack=not self.model.said.results_ack)

    @rule(name=st.sampled_from(["buffer_results", "trigger_enable", "set_offline"]))
    def a_switch_is_thrown(self, name: str) -> None:
        self.say(**{name: not getattr(self.model.said, name)})

    @rule()
    def errors_are_cleared(self) -> None:
        self.say(clear_error=True)
        self.say(clear_error=False)

    @rule(number=st.integers(1, 3))
    def a_recipe_is_wanted(self, number: int) -> None:
        self.say(execute_command=not self.model.said.execute_command, command=number)

    @precondition(lambda self: self.model.wanted is not None)
    @rule(known=st.booleans())
    def a_recipe_is_found_or_not(self, known: bool) -> None:
        number = self.model.wanted
        assert number is not None
        self.model.wanted, self.model.is_known = None, known
        self.model.recipe = number if known else 0
        # A command that was taken back meanwhile is done all the same.
        self.model.done = known
        self.station.cycle.see_recipe(self.station.now, number, known=known)

    @rule(ms=st.sampled_from([1, 20, 60, 100]))
    def time_passes(self, ms: int) -> None:
        to = self.model.now + ms / 1000
        self.model.pass_time(to)
        self.station.pass_time(to)

    @precondition(lambda self: any(one.is_inspected for one in self.model.parts))
    @rule(data=st.data())
    def a_picture_is_taken(self, data: st.DataObject) -> None:
        part = self.some_part(data)
        part.is_acquired = True
        self.station.cycle.see_acquired(self.station.now, part.number)

    @precondition(lambda self: any(one.is_inspected for one in self.model.parts))
    @rule(data=st.data(), code=st.sampled_from([ResultCode.OK, ResultCode.NG]))
    def a_verdict_comes(self, data: st.DataObject, code: ResultCode) -> None:
        part = self.some_part(data)
        self.model.decide(part, (code, None))
        decision = PartDecision(code, None, 0.5)
        self.station.cycle.see_decision(self.station.now, part.number, decision)

    @precondition(lambda self: any(one.is_inspected for one in self.model.parts))
    @rule(data=st.data())
    def a_camera_gives_no_picture(self, data: st.DataObject) -> None:
        part = self.some_part(data)
        self.model.is_acquisition_error = True
        self.model.decide(part, undecided(NoDecisionReason.ACQUISITION))
        self.station.cycle.see_acquisition_error(self.station.now, part.number)

    @rule(engine=st.booleans(), camera=st.booleans())
    def what_is_around_it_changes(self, engine: bool, camera: bool) -> None:
        self.model.is_engine_well, self.model.is_camera_well = engine, camera
        self.station.cycle.see_well(self.station.now, engine=engine, camera=camera)

    @invariant()
    def it_reads_what_the_model_says(self) -> None:
        read = self.client.read_input_registers(3000, count=16).registers
        status = status_of({Block.STATUS: read[:2], Block.OUTPUT: read[2:]}, REGISTERS)
        if status.result is not None:
            # Of a score the model knows nothing.
            status = replace(status, result=replace(status.result, score=0.5))
        assert status == self.model.status(status.heartbeat)

    def some_part(self, data: st.DataObject) -> Part:
        """One that is or was inspected, mostly of the last."""
        inspected = [one for one in self.model.parts if one.is_inspected]
        return data.draw(st.sampled_from(inspected[-4:]))


def compare(examples: int) -> None:
    run_state_machine_as_test(
        CycleBehindItsSocket,
        settings=settings(max_examples=examples, stateful_step_count=40, deadline=None),
    )


def test_the_cycle_behind_its_socket_does_what_the_model_does() -> None:
    compare(15)


@pytest.mark.slow
def test_the_cycle_behind_its_socket_does_what_the_model_does_for_long() -> None:
    compare(500)
