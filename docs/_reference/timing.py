"""What happens between a controller and a station, told by the station's own state machine.

Each scene says what controller, camera and engine do, and when; what the station shows is what the
machine makes of that, so that no drawing can show what it would not do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from takt_station.cycle.effects import PartDecision
from takt_station.cycle.machine import CycleTiming, StationCycle
from takt_station.cycle.signals import Controls, ResultCode, StationStatus

_JUST_AFTER_MS: Final = 1e-6
"""Clocks are never called at the very moment."""

_OK: Final = PartDecision(ResultCode.OK, None, 0.21)
_NG: Final = PartDecision(ResultCode.NG, None, 0.93)


@dataclass(frozen=True, slots=True)
class Moment:
    """What is said and shown from a time on."""

    at_ms: float
    controls: Controls
    status: StationStatus


@dataclass(frozen=True, slots=True)
class Note:
    """What happens at a time."""

    at_ms: float
    text: str


class Stage:
    """A station on a clock that its scene moves; it begins well, with recipe 1, at 0 ms."""

    def __init__(self, timing: CycleTiming) -> None:
        self.moments: list[Moment] = []
        self.notes: list[Note] = []
        self._cycle = StationCycle(timing)
        self._now_ms = 0.0
        self._said = Controls(trigger_enable=True)
        self._cycle.see_well(0.0, engine=True, camera=True)
        self._cycle.change_recipe(0.0, 1)
        self._cycle.see_recipe(0.0, 1, known=True)
        self._cycle.controls(0.0, self._said)
        self._keep()

    @property
    def _now_s(self) -> float:
        return self._now_ms / 1000

    def at(self, ms: float, note: str = "") -> None:
        """Let time pass up to then; what happens now may be noted."""
        while (due_s := self._cycle.next_s) is not None and due_s * 1000 < ms + _JUST_AFTER_MS:
            self._now_ms = due_s * 1000
            self._cycle.advance(due_s + _JUST_AFTER_MS / 1000)
            self._keep()
        self._now_ms = ms
        if note:
            self.notes.append(Note(ms, note))

    def say(self, **changes: bool | int) -> None:
        """The controller writes."""
        self._said = replace(self._said, **changes)  # type: ignore[arg-type]
        self._cycle.controls(self._now_s, self._said)
        self._keep()

    def see_picture(self, part: int) -> None:
        """The camera has taken the picture of the part of that acquisition."""
        self._cycle.see_acquired(self._now_s, part)
        self._keep()

    def see_verdict(self, part: int, decision: PartDecision) -> None:
        """The engine has judged it."""
        self._cycle.see_decision(self._now_s, part, decision)
        self._keep()

    def see_engine(self, *, well: bool) -> None:
        """The engine fails, or is back."""
        self._cycle.see_well(self._now_s, engine=well, camera=True)
        self._keep()

    def see_recipe(self, number: int, *, known: bool) -> None:
        """The recipe was found, or there is none."""
        self._cycle.see_recipe(self._now_s, number, known=known)
        self._keep()

    def _keep(self) -> None:
        moment = Moment(self._now_ms, self._said, self._cycle.status())
        self.moments = [one for one in self.moments if one.at_ms < moment.at_ms] + [moment]


@dataclass(frozen=True, slots=True)
class Scene:
    """One drawing: what it is about, which signals it shows, and what happens.

    Attributes:
        name: of its file.
        title: of its heading.
        signals: names of those that it shows.
        play: what controller, camera and engine do.
        end_ms: where the drawing ends.
        heartbeat_ms: between two beats.
    """

    name: str
    title: str
    signals: tuple[str, ...]
    play: Callable[[Stage], None]
    end_ms: float
    heartbeat_ms: float = 10_000

    def played(self) -> Stage:
        """What happened."""
        stage = Stage(CycleTiming(result_ms=100, heartbeat_ms=self.heartbeat_ms))
        self.play(stage)
        stage.at(self.end_ms)
        return stage


def _ok(stage: Stage) -> None:
    stage.at(10, "The part is in place: the PLC writes its number, and sets `Trigger`.")
    stage.say(trigger=True, part=17)
    stage.at(20, "It has read `Trigger Ack` and clears `Trigger`; the ack falls with it.")
    stage.say(trigger=False)
    stage.at(28, "The picture is taken. The part may move, and the next may be triggered.")
    stage.see_picture(1)
    stage.at(62, "The verdict is there: `Inspection Completed` toggles, the result is valid.")
    stage.see_verdict(1, _OK)
    stage.at(74, "The PLC has read result and part, and acknowledges.")
    stage.say(results_ack=True)
    stage.at(84)
    stage.say(results_ack=False)


def _buffered(stage: Stage) -> None:
    stage.say(buffer_results=True)
    for number in (1, 2, 3):
        begin = 36 * (number - 1)
        stage.at(begin + 8, "Three parts follow each other." if number == 1 else "")
        stage.say(trigger=True, part=20 + number)
        stage.at(begin + 16)
        stage.say(trigger=False)
        stage.at(begin + 22)
        stage.see_picture(number)
        if number == 2:
            stage.at(begin + 26, "The first result is shown, and stays until it is acknowledged.")
            stage.see_verdict(1, _OK)
    stage.at(104, "The second is there, and waits behind it.")
    stage.see_verdict(2, _NG)
    stage.at(120, "`Inspection Results Ack` takes the first away: `Results Valid` falls.")
    stage.say(results_ack=True)
    stage.at(132, "The ack falls, and the second is shown.")
    stage.say(results_ack=False)
    stage.at(146)
    stage.see_verdict(3, _OK)
    stage.at(158)
    stage.say(results_ack=True)
    stage.at(168)
    stage.say(results_ack=False)
    stage.at(180)
    stage.say(results_ack=True)
    stage.at(190)
    stage.say(results_ack=False)


def _overrun(stage: Stage) -> None:
    stage.say(buffer_results=True)
    for number in range(1, 10):
        begin = 8 * number
        texts = {
            1: "Nobody acknowledges.",
            9: "Eight wait: the ninth result waits until it is due.",
        }
        stage.at(begin - 5)
        stage.say(trigger=True, part=30 + number)
        stage.at(begin - 3)
        stage.say(trigger=False)
        stage.see_picture(number)
        stage.at(begin, texts.get(number, ""))
        stage.see_verdict(number, _OK)
    stage.at(167, "It is due and finds no room: it is lost, `Overrun`.")
    stage.at(184, "The PLC acknowledges the first again, and clears the error.")
    stage.say(results_ack=True, clear_error=True)
    stage.at(194)
    stage.say(results_ack=False, clear_error=False)


def _deadline(stage: Stage) -> None:
    stage.at(10, "A part is triggered. Its result is due within 100 ms.")
    stage.say(trigger=True, part=51)
    stage.at(20)
    stage.say(trigger=False)
    stage.at(26)
    stage.see_picture(1)
    stage.at(110, "No verdict came: at the deadline the result is *no decision*, reason 1.")
    stage.at(122)
    stage.say(results_ack=True)
    stage.at(132)
    stage.say(results_ack=False)
    stage.at(
        142, "The verdict comes late. It is recorded as late; no register says anything of it."
    )
    stage.see_verdict(1, _OK)


def _offline(stage: Stage) -> None:
    stage.at(46, "The engine fails: not online, reason 2. The heartbeat stands still.")
    stage.see_engine(well=False)
    stage.at(66, "A part all the same. It has no decision at once, reason 8.")
    stage.say(trigger=True, part=61)
    stage.at(76)
    stage.say(trigger=False)
    stage.at(110, "The engine is back, and the heart beats again.")
    stage.see_engine(well=True)


def _recipe(stage: Stage) -> None:
    stage.at(10, "The PLC writes the recipe's number, and sets `Execute Command`.")
    stage.say(execute_command=True, command=3)
    stage.at(36, "Recipe 3 is in force: parts that are triggered from now on have it.")
    stage.see_recipe(3, known=True)
    stage.at(48, "`Execute Command` falls, and `Command Completed` with it.")
    stage.say(execute_command=False)
    stage.at(80, "Recipe 9 is asked for.")
    stage.say(execute_command=True, command=9)
    stage.at(104, "There is none: `Command Failed`. Parts have no decision, reason 6.")
    stage.see_recipe(9, known=False)
    stage.at(116)
    stage.say(execute_command=False)
    stage.at(124)
    stage.say(trigger=True, part=71)
    stage.at(132)
    stage.say(trigger=False)


_RESULT: Final = ("completed", "results_valid", "result.code", "result.part")
_TRIGGER: Final = ("trigger", "trigger_ready", "trigger_ack")

SCENES: Final = (
    Scene(
        "ok",
        "A part that is OK",
        (
            "trigger",
            "results_ack",
            *_TRIGGER[1:],
            "acquisition",
            "acquiring",
            "inspecting",
            *_RESULT,
        ),
        _ok,
        100,
    ),
    Scene(
        "buffered",
        "Buffered results, with acknowledge",
        ("buffer_results", "trigger", "results_ack", "trigger_ack", *_RESULT, "waiting"),
        _buffered,
        200,
    ),
    Scene(
        "overrun",
        "Overrun",
        (
            "trigger",
            "results_ack",
            "clear_error",
            "results_valid",
            "result.part",
            "waiting",
            "overrun",
        ),
        _overrun,
        208,
    ),
    Scene(
        "deadline",
        "No decision at the deadline",
        (
            "trigger",
            "results_ack",
            *_TRIGGER[1:],
            "acquiring",
            "inspecting",
            *_RESULT,
            "result.reason",
        ),
        _deadline,
        160,
    ),
    Scene(
        "offline",
        "Offline",
        (*_TRIGGER, "online", "offline_reason", "heartbeat", *_RESULT, "result.reason"),
        _offline,
        160,
        heartbeat_ms=20,
    ),
    Scene(
        "recipe",
        "A change of the recipe",
        (
            *("execute_command", "command", "trigger", "trigger_ready"),
            *("command_busy", "command_done", "command_failed", "recipe"),
            *("results_valid", "result.code", "result.reason"),
        ),
        _recipe,
        150,
    ),
)
