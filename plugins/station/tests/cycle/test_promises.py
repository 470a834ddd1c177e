"""What holds whatever a controller, a camera and a server do, in whatever order."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from plugins.station.tests.cycle.line import Line
from takt_station.cycle.effects import Acquire, PartDecision, no_decision
from takt_station.cycle.machine import CycleTiming
from takt_station.cycle.results import DEPTH
from takt_station.cycle.signals import NoDecisionReason, ResultCode

RESULT_MS = 100
VERDICTS = st.sampled_from(
    [
        PartDecision(ResultCode.OK, None, 0.1),
        PartDecision(ResultCode.NG, None, 0.9),
        no_decision(NoDecisionReason.REFUSED),
        no_decision(NoDecisionReason.UNDECIDED, 0.5),
    ]
)


class Promises(RuleBasedStateMachine):
    """A line on which anything may happen at any time, and what the station owes it."""

    def __init__(self) -> None:
        super().__init__()
        self.line = Line(CycleTiming(result_ms=RESULT_MS, most_inspected=3))
        self.said: dict[int, tuple[float, PartDecision]] = {}
        self.taken = 0
        self.coded: dict[int, int] = {}
        self.read: list[int] = []

    @rule(part=st.integers(0, 2**31), by_code=st.none() | st.integers(0, 5))
    def trigger(self, part: int, by_code: int | None) -> None:
        if self.line.trigger(part, by_code):
            self.taken += 1
            if by_code is not None:
                self.coded[self.taken] = by_code

    @rule(back=st.integers(1, 6), verdict=VERDICTS)
    def decide(self, back: int, verdict: PartDecision) -> None:
        sequence = self.taken + 1 - back
        if sequence > 0:
            self.said.setdefault(sequence, (self.line.now_s, verdict))
            self.line.decide(sequence, verdict)

    @rule(back=st.integers(1, 3))
    def acquire(self, back: int) -> None:
        sequence = self.taken + 1 - back
        self.line.told += self.line.cycle.see_acquired(self.line.now_s, sequence)

    @rule(wait_ms=st.sampled_from([1, 10, 50, 100, 1000]))
    def wait(self, wait_ms: int) -> None:
        self.line.wait(wait_ms)

    @rule(engine=st.booleans(), camera=st.booleans())
    def be_well(self, engine: bool, camera: bool) -> None:
        self.line.told += self.line.cycle.see_well(self.line.now_s, engine=engine, camera=camera)

    @rule(number=st.integers(1, 3), known=st.booleans())
    def change_recipe(self, number: int, known: bool) -> None:
        self.line.change_recipe(number, known=known)

    @rule(buffering=st.booleans())
    def buffer(self, buffering: bool) -> None:
        self.line.say(buffer_results=buffering)

    @rule()
    def acknowledge(self) -> None:
        status = self.line.cycle.status()
        if status.results_valid and status.result is not None:
            self.read.append(status.result.inspection)
        self.line.say(results_ack=True)
        self.line.say(results_ack=False)

    @rule(bit=st.sampled_from(["clear_error", "set_offline", "trigger_enable"]), on=st.booleans())
    def say(self, bit: str, on: bool) -> None:
        self.line.say(**{bit: on})

    @invariant()
    def every_part_has_one_result_in_order(self) -> None:
        given = [one.part.sequence for one in self.line.given]
        assert given == list(range(1, len(given) + 1))
        waits = self.line.cycle.next_s
        if len(given) < self.taken:
            assert waits is not None

    @invariant()
    def every_result_is_in_time(self) -> None:
        for one in self.line.given:
            assert one.at_s <= one.part.due_s + 1e-9

    @invariant()
    def a_part_is_good_only_by_its_own_verdict_in_time(self) -> None:
        for one in self.line.given:
            if one.decision.code is not ResultCode.NO_DECISION:
                at_s, verdict = self.said[one.part.sequence]
                assert verdict == one.decision
                assert at_s < one.part.due_s

    @invariant()
    def only_parts_by_a_known_recipe_are_inspected(self) -> None:
        inspected = {one.part.sequence for one in self.line.told if isinstance(one, Acquire)}
        for one in self.line.given:
            if one.decision.code is not ResultCode.NO_DECISION:
                assert one.part.sequence in inspected

    @invariant()
    def a_part_whose_code_says_something_of_its_recipe_has_that_and_no_other(self) -> None:
        for one in self.line.given:
            by_code = self.coded.get(one.part.sequence)
            assert one.part.by_code is (by_code is not None)
            if by_code is not None:
                assert one.part.recipe == by_code
            if by_code == 0:
                assert one.decision.code is ResultCode.NO_DECISION

    @invariant()
    def results_are_read_in_order(self) -> None:
        assert self.read == sorted(set(self.read))
        assert self.line.cycle.status().waiting <= DEPTH

    def teardown(self) -> None:
        self.line.wait(RESULT_MS)
        assert len(self.line.given) == self.taken


TestPromises = Promises.TestCase
TestPromises.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
