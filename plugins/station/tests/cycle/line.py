"""A station's cycle on a clock that a test moves."""

from __future__ import annotations

from dataclasses import replace

from takt_station.cycle.effects import CameLate, ChangeRecipe, Effect, Given, PartDecision
from takt_station.cycle.machine import CycleTiming, StationCycle
from takt_station.cycle.signals import Controls, ResultCode

OK = PartDecision(ResultCode.OK, None, 0.2)
NG = PartDecision(ResultCode.NG, None, 0.9)


class Line:
    """A controller, a camera and a server in one, each of which does what a test says.

    Args:
        timing: of the station.
        recipe: number of the recipe in force.
    """

    def __init__(self, timing: CycleTiming | None = None, recipe: int = 1) -> None:
        self.now_s = 100.0
        self.cycle = StationCycle(timing or CycleTiming(result_ms=100))
        self.said = Controls(trigger_enable=True)
        self.told: list[Effect] = []
        self.told += self.cycle.see_well(self.now_s, engine=True, camera=True)
        if recipe:
            self.told += self.cycle.change_recipe(self.now_s, recipe)
            self.told += self.cycle.see_recipe(self.now_s, recipe, known=True)
        self.say()

    @property
    def given(self) -> list[Given]:
        return [one for one in self.told if isinstance(one, Given)]

    @property
    def codes(self) -> list[str]:
        return [
            one.decision.code.name if one.decision.reason is None else one.decision.reason.value
            for one in self.given
        ]

    @property
    def late(self) -> list[CameLate]:
        return [one for one in self.told if isinstance(one, CameLate)]

    def say(self, by_code: int | None = None, **changes: bool | int | str | None) -> None:
        """Change what the controller says."""
        self.said = replace(self.said, **changes)  # type: ignore[arg-type]
        self.told += self.cycle.controls(self.now_s, self.said, by_code)

    def trigger(self, part: int = 0, by_code: int | None = None) -> int:
        """An edge of the trigger; gives the number of the part."""
        before = self.cycle.status().acquisition
        self.say(by_code, trigger=True, part=part)
        self.say(trigger=False)
        after = self.cycle.status().acquisition
        return after if after != before else 0

    def part(self, part: int = 0, by_code: int | None = None) -> int:
        """A part whose picture was taken."""
        sequence = self.trigger(part, by_code)
        self.told += self.cycle.see_acquired(self.now_s, sequence)
        return sequence

    def decide(self, sequence: int, decision: PartDecision = OK) -> None:
        self.told += self.cycle.see_decision(self.now_s, sequence, decision)

    def wait(self, wait_ms: float) -> None:
        """Let time pass, as the station does: nothing that is due is left for later."""
        end_s = self.now_s + wait_ms / 1000
        while (due_s := self.cycle.next_s) is not None and due_s <= end_s:
            self.now_s = max(self.now_s, due_s)
            self.told += self.cycle.advance(self.now_s)
        self.now_s = end_s
        self.told += self.cycle.advance(self.now_s)

    def change_recipe(self, number: int, *, known: bool = True) -> None:
        self.say(execute_command=True, command=number)
        assert ChangeRecipe(number) in self.told
        self.told += self.cycle.see_recipe(self.now_s, number, known=known)
        self.say(execute_command=False)
