"""What a station tells of its parts: a line each on the terminal, and in a file for later."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import orjson

from takt_station.cycle.effects import CameLate, Faulted, Given, PartDecision
from takt_station.cycle.signals import NoDecisionReason, ResultCode
from takt_station.inspector import StationRecipe

_MOST_TIMES: Final = 100_000
"""Results of which the summary has the times; then every second one is left out, and so on."""

WORDS: Final = {
    NoDecisionReason.DEADLINE: "no verdict in time",
    NoDecisionReason.ACQUISITION: "the camera gave no picture",
    NoDecisionReason.UNREACHABLE: "the server cannot be reached",
    NoDecisionReason.REFUSED: "the server refused",
    NoDecisionReason.UNDECIDED: "the picture cannot be judged",
    NoDecisionReason.RECIPE: "no such recipe",
    NoDecisionReason.VIEW: "a view is missing",
    NoDecisionReason.OFFLINE: "the station is not well",
    NoDecisionReason.BUSY: "the trigger came while the station was not ready",
}
"""The reasons as people say them."""


_WITNESSES: Final = {"score": "by the score", "region": "by a region"}


def decision_words(decision: PartDecision) -> str:
    """Why a part is as it is, in words; empty where it is good."""
    why = "" if decision.reason is None else WORDS[decision.reason]
    why = _WITNESSES.get(decision.witness or "", why)
    return why if decision.decided_by is None else f"{why}: {decision.decided_by}"


@dataclass(slots=True)
class StationReport:
    """Tells each result as a line, and as JSON.

    Args:
        say: prints a line, or writes it where nobody waits for it.
        note: gets each result as a line of JSON; None for nobody.
        now_s: Unix time.
    """

    say: Callable[[str], None]
    note: Callable[[str], None] | None = None
    now_s: Callable[[], float] = time.time
    _counts: dict[ResultCode, int] = field(default_factory=dict)
    _times_ms: list[float] = field(default_factory=list)
    _every: int = 1
    _late: int = 0
    _lost: int = 0

    def given(self, given: Given, recipe: StationRecipe | None) -> None:
        """A part has its result."""
        part, decision = given.part, given.decision
        took_ms = (given.at_s - part.triggered_s) * 1000
        self._count(decision.code, took_ms)
        self._lost += not given.shown
        score = None if math.isnan(decision.score) else round(decision.score, 4)
        why = decision_words(decision)
        lost = "" if given.shown else "; lost to the PLC, as eight results wait"
        shown = "" if score is None else f"{score:.4f}"
        self.say(
            f"{part.part:>10} {decision.code.name.replace('_', ' '):<11} {shown:>8} "
            f"{took_ms:>7.1f} ms  {why}{lost}".rstrip()
        )
        self._note(
            event="result",
            part=part.part,
            lot=part.lot or None,
            code=part.code or None,
            unreadable=[name for name in ("lot", "code") if getattr(part, name) is None],
            acquisition=part.acquisition,
            inspection=given.inspection,
            result=decision.code.name.lower(),
            reason=decision.reason,
            score=score,
            decided_by=decision.decided_by,
            witness=decision.witness,
            recipe=None if recipe is None else recipe.name,
            recipe_number=part.recipe,
            took_ms=round(took_ms, 3),
            shown=given.shown,
        )

    def came_late(self, late: CameLate) -> None:
        """A verdict came after its part's result."""
        self._late += 1
        code, part = late.decision.code.name.replace("_", " "), late.part.part
        self.say(f"{part:>10} LATE        {code} came {late.late_ms:.1f} ms too late; not sent")
        self._note(
            event="late",
            part=part,
            acquisition=late.part.acquisition,
            result=late.decision.code.name.lower(),
            late_ms=round(late.late_ms, 3),
        )

    def faulted(self, fault: Faulted) -> None:
        """Verdicts came late several times in a row."""
        self.say(
            f"FAULT: {fault.late} parts in a row had no verdict in time. None is inspected until "
            "the PLC sets Clear Error. Look at the server's load, or make result_ms longer"
        )
        self._note(event="fault", late=fault.late)

    def summary(self) -> str:
        """How many parts had which result, and how long they took."""
        total = sum(self._counts.values())
        if not total:
            return "no part was triggered"
        parts = ", ".join(
            f"{self._counts.get(code, 0)} {code.name.replace('_', ' ')}"
            for code in (ResultCode.OK, ResultCode.NG, ResultCode.NO_DECISION)
        )
        p50, p99, worst = np.percentile(self._times_ms, (50, 99, 100))
        return (
            f"{total} parts: {parts}; {self._late} late verdicts, {self._lost} results lost to the "
            f"PLC\ntrigger to result: p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {worst:.1f} ms"
        )

    def _count(self, code: ResultCode, took_ms: float) -> None:
        self._counts[code] = self._counts.get(code, 0) + 1
        if sum(self._counts.values()) % self._every == 0:
            self._times_ms.append(took_ms)
        if len(self._times_ms) >= _MOST_TIMES:
            del self._times_ms[::2]
            self._every *= 2

    def _note(self, **said: Any) -> None:
        if self.note is not None:
            self.note(orjson.dumps({"at_s": round(self.now_s(), 3), **said}).decode())
