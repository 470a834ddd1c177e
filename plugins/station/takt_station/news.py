"""What became of the last parts of a station, for whoever looks at it from afar."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from takt.core.domain import Json
from takt_station.cycle.effects import CameLate, Faulted, Given
from takt_station.cycle.signals import ResultCode
from takt_station.inspector import StationRecipe

MOST_RESULTS: Final = 50
_MOST_TIMES: Final = 500
"""Results of which the times are told."""


@dataclass(slots=True)
class StationNews:
    """Counts, times and the last results, as the server takes them.

    Nothing waits for anybody here, and it does not grow.

    Args:
        part_id: gives the id of a part on the server, by its sequence.
        now_s: Unix time.
    """

    part_id: Callable[[int], str]
    now_s: Callable[[], float] = time.time
    _results: deque[tuple[int, Json]] = field(default_factory=lambda: deque(maxlen=MOST_RESULTS))
    _times_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_TIMES))
    _codes: Counter[ResultCode] = field(default_factory=Counter)
    _reasons: Counter[str] = field(default_factory=Counter)
    _late: int = 0
    _lost: int = 0
    _faults: int = 0

    def given(self, given: Given, recipe: StationRecipe | None) -> None:
        """A part has its result."""
        part, decision = given.part, given.decision
        took_ms = (given.at_s - part.triggered_s) * 1000
        self._codes[decision.code] += 1
        if decision.reason is not None:
            self._reasons[decision.reason.value] += 1
        self._lost += not given.shown
        self._times_ms.append(took_ms)
        result = {
            "part": part.part,
            # Without a recipe it was refused, and nobody was asked.
            "part_id": None if recipe is None else self.part_id(part.sequence),
            "at": datetime.fromtimestamp(self.now_s(), UTC).isoformat(timespec="milliseconds"),
            "result": decision.code.name.lower(),
            "reason": None if decision.reason is None else decision.reason.value,
            "score": decision.score if math.isfinite(decision.score) else None,
            "decided_by": decision.decided_by,
            "witness": decision.witness,
            "took_ms": round(max(took_ms, 0.0), 3),
            "shown": given.shown,
            "late": None,
        }
        self._results.append((part.sequence, result))

    def came_late(self, late: CameLate) -> None:
        """A verdict came after its part's result."""
        self._late += 1
        said = {"result": late.decision.code.name.lower(), "late_ms": round(late.late_ms, 3)}
        for sequence, result in self._results:
            if sequence == late.part.sequence:
                result["late"] = said

    def faulted(self, fault: Faulted) -> None:
        """Verdicts came late several times in a row."""
        self._faults += 1

    @property
    def said(self) -> dict[str, Any]:
        """All of it, as `PUT /v1/stations/{station}` has it."""
        return {
            "counts": {
                "ok": self._codes[ResultCode.OK],
                "ng": self._codes[ResultCode.NG],
                "no_decision": dict(self._reasons),
                "late": self._late,
                "lost": self._lost,
                "faults": self._faults,
            },
            "times": self._times(),
            "results": [dict(result) for _, result in self._results],
        }

    def _times(self) -> Json | None:
        if not self._times_ms:
            return None
        p50, p99, worst = np.percentile(self._times_ms, (50, 99, 100)).round(3)
        shown = {"p50_ms": float(p50), "p99_ms": float(p99), "worst_ms": float(worst)}
        return {"parts": len(self._times_ms), **shown}
