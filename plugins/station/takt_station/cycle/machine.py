"""The cycle of a station: every part that was triggered has one result, in time and in order.

Trigger, picture, inspection, result: OK, NG or no decision. The machine knows no protocol and has
no clock of its own. Whatever happens is told to it with the time, and what it gives back is to be
done or told:

>>> cycle = StationCycle(CycleTiming(result_ms=80))
>>> cycle.see_well(0.0, engine=True, camera=True)
[]
>>> cycle.change_recipe(0.0, 1)
[ChangeRecipe(number=1)]
>>> cycle.see_recipe(0.0, 1, known=True)
[]
>>> cycle.controls(0.0, Controls(trigger_enable=True))
[]
>>> (acquire,) = cycle.controls(1.0, Controls(trigger_enable=True, trigger=True, part=7))
>>> acquire.part.part, acquire.part.due_s
(7, 1.08)

If nothing more is heard of it, there is no decision when it is due:

>>> (given,) = cycle.advance(acquire.part.due_s)
>>> given.decision.code.name, given.decision.reason.value
('NO_DECISION', 'deadline')

The rules:

- A part's result comes by `due_s`, whatever happens. At that moment it is *no decision*.
- Results are given in the order of the triggers. A part that is decided early waits for those
  before it, which are due before it; and for room in the controller's buffer, until it is due.
- A verdict that comes after its part's result is told as late, and never shown: verdicts belong to
  a part's `sequence`, which never comes again.
- A trigger while the station is not ready is a part as well; it has no decision at once.
- A recipe is of parts that are triggered after it was put in force. While one is being found,
  and after one that does not exist, there is no decision.
- Where a part's code says something of its recipe, that holds for this part, whatever is in force.
- Several late verdicts in a row are a fault: no part is inspected until it is cleared.
- A trigger that stands when the controller is heard first is no edge: a station that begins anew
  takes no part for a trigger that was meant for the one before it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from takt_station.cycle.effects import (
    Acquire,
    CameLate,
    ChangeRecipe,
    Effect,
    Faulted,
    Given,
    PartDecision,
    PartInCycle,
    no_decision,
)
from takt_station.cycle.results import ResultBuffer
from takt_station.cycle.signals import (
    Controls,
    NoDecisionReason,
    OfflineReason,
    ResultCode,
    ShownResult,
    StationStatus,
)

_IDS: Final = 65535
_MOST_DECIDED: Final = 256
"""Parts without a decision that wait for those before them; more triggers are not acknowledged."""

_MOST_LATE: Final = 4096
"""Parts of which a late verdict is still known."""


@dataclass(frozen=True, slots=True)
class CycleTiming:
    """The times of a station.

    Attributes:
        result_ms: from a trigger's edge to the result, at most.
        picture_ms: from a trigger's edge to the picture, at most: a later one may be of the next
            part.
        heartbeat_ms: between two counts of the heartbeat.
        most_inspected: parts that are inspected at a time.
        late_in_a_row: verdicts that came late one after another and are a fault.
    """

    result_ms: float
    picture_ms: float = math.inf
    heartbeat_ms: float = 250.0
    most_inspected: int = 4
    late_in_a_row: int = 3


@dataclass(slots=True)
class _Open:
    """A part without a result."""

    part: PartInCycle
    decision: PartDecision | None = None
    acquired: bool = False


class StationCycle:
    """The state machine; every method is told the time, in seconds that never go back.

    Args:
        timing: the station's times.
    """

    def __init__(self, timing: CycleTiming) -> None:
        self._timing = timing
        self._controls = Controls()
        self._has_heard = False
        self._parts: deque[_Open] = deque()
        self._inspected: dict[int, _Open] = {}
        # Parts that have their result and whose verdict did not come: when they were due.
        self._missed: dict[int, PartInCycle] = {}
        self._results = ResultBuffer()
        self._sequence = self._inspection = 0
        self._recipe = 0
        self._wanted: int | None = None
        self._command_done = self._command_failed = False
        self._engine_well = self._camera_well = False
        self._trigger_ack = self._acquisition_error = self._missed_trigger = False
        self._late, self._fault = 0, False
        self._completed = False
        self._beats, self._beat_s = 0, 0.0

    @property
    def next_s(self) -> float | None:
        """When `advance` is to be called at the latest; None if nothing is due."""
        due_s = self._parts[0].part.due_s if self._parts else None
        if not self._well:
            return due_s
        beat_s = self._beat_s + self._timing.heartbeat_ms / 1000
        return beat_s if due_s is None or beat_s < due_s else due_s

    def controls(
        self, now_s: float, controls: Controls, by_code: int | None = None
    ) -> list[Effect]:
        """Hear what the controller says.

        Args:
            now_s: the time.
            controls: all that it says.
            by_code: number of the recipe that the code in there names, for a part that is triggered
                by it; 0 where it names none, None where a code says nothing of recipes.
        """
        before = self._expire(now_s)
        return [*before, *self._hear(now_s, controls, by_code), *self._give(now_s)]

    def change_recipe(self, now_s: float, number: int) -> list[Effect]:
        """Put the recipe of a number in force, for the parts that are triggered from now on."""
        self._wanted = number
        return [ChangeRecipe(number), *self.advance(now_s)]

    def see_recipe(self, now_s: float, number: int, *, known: bool) -> list[Effect]:
        """Hear whether there is the recipe of a number; it is in force from now on."""
        if self._wanted == number:
            self._wanted = None
            self._command_done, self._command_failed = known, not known
            self._recipe = number if known else 0
        return self.advance(now_s)

    def see_well(self, now_s: float, *, engine: bool, camera: bool) -> list[Effect]:
        """Hear whether the server can inspect, and whether the cameras answer."""
        was = self._well
        self._engine_well, self._camera_well = engine, camera
        if self._well and not was:
            self._beat_s = now_s
        return self.advance(now_s)

    def see_acquired(self, now_s: float, sequence: int) -> list[Effect]:
        """Hear that the picture of a part was taken."""
        if (found := self._inspected.get(sequence)) is not None:
            found.acquired = True
        return self.advance(now_s)

    def see_acquisition_error(self, now_s: float, sequence: int) -> list[Effect]:
        """Hear that a camera gave no picture of a part."""
        self._acquisition_error = True
        return self.see_decision(now_s, sequence, no_decision(NoDecisionReason.ACQUISITION))

    def see_decision(self, now_s: float, sequence: int, decision: PartDecision) -> list[Effect]:
        """Hear the verdict on a part, or why there is none."""
        effects = self._expire(now_s)
        is_verdict = decision.reason in (None, NoDecisionReason.UNDECIDED)
        if (missed := self._missed.pop(sequence, None)) is not None:
            if is_verdict:
                effects.append(CameLate(missed, decision, (now_s - missed.due_s) * 1000))
        elif (found := self._inspected.get(sequence)) is not None and found.decision is None:
            found.decision = decision
            if is_verdict:
                self._late = 0
        return [*effects, *self._give(now_s)]

    def advance(self, now_s: float) -> list[Effect]:
        """Let time go on: parts that are due have their results."""
        return [*self._expire(now_s), *self._give(now_s)]

    def status(self) -> StationStatus:
        """What the controller reads."""
        why = self._offline_reason()
        undecided = self._undecided()
        are_acquired = [one.acquired for one in undecided]
        return StationStatus(
            online=why is OfflineReason.NONE,
            offline_reason=why,
            trigger_ready=self._is_ready(why, undecided),
            trigger_ack=self._trigger_ack,
            acquiring=False in are_acquired,
            acquisition_error=self._acquisition_error,
            inspecting=True in are_acquired,
            completed=self._completed,
            results_valid=self._results.valid,
            overrun=self._results.overrun or self._missed_trigger,
            fault=self._fault,
            command_busy=self._wanted is not None,
            command_done=self._command_done,
            command_failed=self._command_failed,
            recipe=self._recipe,
            acquisition=_id(self._sequence),
            heartbeat=self._beats,
            waiting=self._results.waiting,
            result=self._results.shown,
        )

    @property
    def _well(self) -> bool:
        return self._engine_well and self._camera_well and not self._fault

    def _undecided(self) -> list[_Open]:
        return [one for one in self._parts if one.decision is None]

    def _is_ready(self, why_offline: OfflineReason, undecided: Sequence[_Open]) -> bool:
        return (
            self._controls.trigger_enable
            and why_offline is OfflineReason.NONE
            and self._wanted is None
            and len(undecided) < self._timing.most_inspected
            and all(one.acquired for one in undecided)
        )

    def _offline_reason(self) -> OfflineReason:
        if self._controls.set_offline:
            return OfflineReason.SET_OFFLINE
        if self._fault:
            return OfflineReason.FAULT
        if not self._engine_well:
            return OfflineReason.ENGINE
        return OfflineReason.NONE if self._camera_well else OfflineReason.CAMERA

    def _hear(self, now_s: float, controls: Controls, by_code: int | None) -> list[Effect]:
        before = self._controls if self._has_heard else Controls(trigger=controls.trigger)
        self._controls, self._has_heard = controls, True
        effects: list[Effect] = []
        self._results.controls(buffering=controls.buffer_results, ack=controls.results_ack)
        if controls.clear_error and not before.clear_error:
            self._acquisition_error = self._missed_trigger = False
            self._results.overrun = False
            if self._fault:
                self._fault, self._late = False, 0
                self._beat_s = now_s
        if not controls.execute_command:
            self._command_done = self._command_failed = False
        elif not before.execute_command:
            # What is left is of a recipe before: the file's, the console's, or of a short pulse.
            self._command_done = self._command_failed = False
            self._wanted = controls.command
            effects.append(ChangeRecipe(controls.command))
        if not controls.trigger:
            self._trigger_ack = False
        elif not before.trigger:
            effects += self._trigger(now_s, controls, by_code)
        return effects

    def _trigger(self, now_s: float, controls: Controls, by_code: int | None) -> list[Effect]:
        """Take a part, if the controller lets triggers count and there is room to say no more."""
        if not controls.trigger_enable or controls.set_offline:
            return []
        if len(self._parts) >= _MOST_DECIDED:
            self._missed_trigger = True
            return []
        refusal = self._refusal(by_code)
        self._sequence += 1
        self._trigger_ack = True
        part = PartInCycle(
            sequence=self._sequence,
            acquisition=_id(self._sequence),
            part=controls.part,
            recipe=self._recipe if by_code is None else by_code,
            triggered_s=now_s,
            due_s=now_s + self._timing.result_ms / 1000,
            lot=controls.lot,
            code=controls.code,
            by_code=by_code is not None,
        )
        taken = _Open(part, refusal)
        self._parts.append(taken)
        if refusal is not None:
            self._missed_trigger |= refusal.reason is NoDecisionReason.BUSY
            return []
        self._inspected[part.sequence] = taken
        return [Acquire(part)]

    def _refusal(self, by_code: int | None) -> PartDecision | None:
        """Why a part that is triggered now is not inspected."""
        why = self._offline_reason()
        if why is not OfflineReason.NONE:
            return no_decision(NoDecisionReason.OFFLINE)
        is_none = self._wanted is None and self._recipe == 0 if by_code is None else by_code == 0
        if is_none:
            return no_decision(NoDecisionReason.RECIPE)
        ready = self._is_ready(why, self._undecided())
        return None if ready else no_decision(NoDecisionReason.BUSY)

    def _expire(self, now_s: float) -> list[Effect]:
        """Parts that are due and undecided get no decision; and the heart beats."""
        self._beat(now_s)
        effects: list[Effect] = []
        for one in self._parts:
            if one.part.due_s > now_s:
                break
            if one.decision is not None:
                continue
            one.decision = no_decision(NoDecisionReason.DEADLINE)
            self._missed[one.part.sequence] = one.part
            if len(self._missed) > _MOST_LATE:
                self._missed.pop(next(iter(self._missed)))
            self._late += 1
            if self._late >= self._timing.late_in_a_row and not self._fault:
                self._fault = True
                effects.append(Faulted(self._late))
        return effects

    def _give(self, now_s: float) -> list[Effect]:
        """Give the results of the first parts, as far as they are decided."""
        given: list[Effect] = []
        while self._parts and (decision := self._parts[0].decision) is not None:
            if not self._results.has_room and now_s < self._parts[0].part.due_s:
                break
            part = self._parts.popleft().part
            self._inspected.pop(part.sequence, None)
            if decision.code is not ResultCode.NO_DECISION and now_s > part.due_s:
                # It waited for a part before it, and nobody called in time.
                decision = no_decision(NoDecisionReason.DEADLINE, decision.score)
            self._inspection += 1
            result = ShownResult(
                acquisition=part.acquisition,
                part=part.part,
                inspection=_id(self._inspection),
                code=decision.code,
                reason=decision.reason,
                score=decision.score,
                recipe=part.recipe,
            )
            shown = self._results.add(result)
            self._completed = not self._completed
            given.append(Given(part, decision, result.inspection, now_s, shown))
        return given

    def _beat(self, now_s: float) -> None:
        """Count the heartbeat, while all is well; beats that nobody called for are left out."""
        every_s = self._timing.heartbeat_ms / 1000
        if self._well and now_s >= self._beat_s + every_s:
            self._beats = (self._beats + 1) % (_IDS + 1)
            self._beat_s = max(self._beat_s + every_s, now_s - every_s)


def _id(number: int) -> int:
    """1 to 65535, then 1 again; 0 of none."""
    return (number - 1) % _IDS + 1 if number else 0
