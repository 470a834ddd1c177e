"""The table of a plant's parts: what each was, and what became of it at the gate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from takt_station.cycle.signals import NoDecisionReason, OfflineReason, ResultCode
from takt_station.plant.conveyor import Conveyor
from takt_station.plant.program import GateMove

_WIDTH: Final = 15
_MOST_ROWS: Final = 100
"""Parts of which each has a row; of more, the first ones, and those that went otherwise."""

_FIRST: Final = 10
_FOLDED: Final = 50
"""Parts that are told together, of many."""

_MOST_ODD: Final = 10
"""Of these, how many that went otherwise have a row."""

HEADING: Final = f"{'part':>4}  {'shown':<{_WIDTH}}  {'expected':<9}  {'wait':>7}  at the gate"

_NOT_TRIGGERED: Final = "no result by then"
_LATE: Final = "trigger unanswered"
_NO_HEARTBEAT: Final = "no heartbeat"
_WORDS: Final = {
    NoDecisionReason.UNREACHABLE: "server unreachable",
    NoDecisionReason.REFUSED: "the server refused",
    NoDecisionReason.UNDECIDED: "cannot be judged",
    NoDecisionReason.RECIPE: "no such recipe",
    NoDecisionReason.VIEW: "a view is missing",
    NoDecisionReason.OFFLINE: "station not well",
    NoDecisionReason.BUSY: "station not ready",
    OfflineReason.SET_OFFLINE.name.lower(): "set offline",
    OfflineReason.ENGINE.name.lower(): "server not ready",
    OfflineReason.CAMERA.name.lower(): "no camera",
    OfflineReason.FAULT.name.lower(): "late in a row: fault",
}
"""Reasons as short as a row of 80 characters wants them."""


@dataclass(slots=True)
class PartTable:
    """Tells of each part as it has passed the gate.

    Args:
        conveyor: with the parts.
        names: of the pictures of good parts, and of those with a defect.
        verdict: what the server thinks of a part.
        result_ms: time from a trigger to its result, at most.
        picture_ms: time from a trigger to its picture, at most.
    """

    conveyor: Conveyor
    names: tuple[Sequence[str], Sequence[str]]
    verdict: Callable[[int], str]
    result_ms: float
    picture_ms: float
    # Why parts had no decision; and those that are told together next, with the longest wait.
    _reasons: Counter[str] = field(default_factory=Counter)
    _as_expected: int = 0
    _odd: int = 0
    _longest_ms: float = 0.0
    _told: int = 0

    def rows(self, move: GateMove, wait_ms: float | None) -> list[str]:
        """What is to be printed once a part has passed the gate.

        Args:
            move: what became of it.
            wait_ms: from its trigger to the PLC's reading of its result; None for never.
        """
        if (why := self._why(move)) is not None:
            self._reasons[why] += 1
        if self.conveyor.parts <= _MOST_ROWS:
            return [self._row(move, wait_ms, why)]
        rows = []
        if as_expected := self._is_as_expected(move):
            self._as_expected += 1
            self._longest_ms = max(self._longest_ms, wait_ms or 0.0)
        else:
            self._odd += 1
        if move.part <= _FIRST or (not as_expected and self._odd <= _MOST_ODD):
            rows.append(self._row(move, wait_ms, why))
        if move.part >= self._told + _FOLDED or move.part == self.conveyor.parts:
            rows.append(self._folded(move.part))
            self._told, self._as_expected, self._odd, self._longest_ms = move.part, 0, 0, 0.0
        return rows

    def reasons(self) -> str:
        """Why parts had no decision, and how many; empty where all had one."""
        if not self._reasons:
            return ""
        whys = ", ".join(f"{number} {why}" for why, number in self._reasons.most_common())
        return f"{self._reasons.total()} without a decision: {whys}"

    @property
    def untimely(self) -> int:
        """Parts without a decision for want of time."""
        late = (*self._times().values(), _WORDS["fault"], _LATE, _NOT_TRIGGERED)
        return sum(self._reasons[one] for one in late)

    def _folded(self, last: int) -> str:
        within = f", each within {_time(self._longest_ms)}" if self._as_expected else ""
        more = self._odd - _MOST_ODD
        others = f"; {more} more without a row" if more > 0 else ""
        return f"{self._told + 1} to {last}: {self._as_expected} as expected{within}{others}"

    def _row(self, move: GateMove, wait_ms: float | None, why: str | None) -> str:
        truth = "defect" if self.conveyor.has_defect(move.part) else "good"
        name = self.conveyor.chosen(move.part, *self.names)
        room = _WIDTH - len(truth) - 1
        shown = f"{truth} {name if len(name) <= room else '…' + name[1 - room :]}"
        wait = "–" if wait_ms is None else _time(wait_ms)
        verdict = self.verdict(move.part)
        if why is not None:
            gate = f"no decision: {why}"
        else:
            passes = "passes" if move.passed else "rejected"
            well = "" if move.well else f": {_NO_HEARTBEAT}"
            gate = f"{move.result}, {passes}{well}"
        return f"{move.part:>4}  {shown:<{_WIDTH}}  {verdict:<9}  {wait:>7}  {gate}"

    def _is_as_expected(self, move: GateMove) -> bool:
        match self.verdict(move.part):
            case "good":
                return move.passed
            case "defect":
                return move.result == ResultCode.NG.name
            case _:
                return move.reason == NoDecisionReason.UNDECIDED

    def _why(self, move: GateMove) -> str | None:
        """Why a part has no decision; None where it has one."""
        if move.result in (ResultCode.OK.name, ResultCode.NG.name):
            return None
        if move.result is None:
            return _NOT_TRIGGERED if move.well else _NO_HEARTBEAT
        if move.reason is None:
            return _LATE
        return {**_WORDS, **self._times()}[move.reason]

    def _times(self) -> dict[str, str]:
        return {
            NoDecisionReason.DEADLINE: f"no answer within {_time(self.result_ms)}",
            NoDecisionReason.ACQUISITION: f"no picture within {_time(self.picture_ms)}",
        }


def _time(took_ms: float) -> str:
    return f"{took_ms:.0f} ms" if took_ms < 999.5 else f"{took_ms / 1000:.1f} s"
