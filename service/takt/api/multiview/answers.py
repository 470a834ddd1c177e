"""Parts as the API tells of them, whether they are open, have just ended or are recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from takt.api.multiview.schemas import PartOut, PartResultOut, PartViewOut
from takt.core.domain import Json, witness_of
from takt.multiview.open_parts import ViewState, WaitingPart
from takt.multiview.result import RESULTS, PartResult, PartView
from takt.observing.records import PartRecord
from takt.recording.search.times import time_of

NO_IDS: Mapping[str, int] = {}


def open_part(found: WaitingPart) -> PartOut:
    """A part that waits for views."""
    views = [_view(one, found.state_of(one), NO_IDS) for one in found.views]
    return _part(found, views, left_ms=found.left_ms)


def ended_part(found: PartResult, ids: Mapping[str, int] = NO_IDS) -> PartOut:
    """A part that has its result.

    Args:
        found: the result.
        ids: numbers of the inspections of its views, by the views' names.
    """
    result = result_out(found, ids)
    return _part(found, result.views, result=result)


def result_out(found: PartResult, ids: Mapping[str, int] = NO_IDS) -> PartResultOut:
    """The result of a part."""
    decided = recorded_of(found).decided
    return PartResultOut(
        decided_by=decided.view,
        witness=decided.witness,
        verdict=found.verdict,
        reason=found.reason,
        score=found.score,
        view=found.view,
        ended_by=found.ended_by,
        ended_at=time_of(found.ended_us),
        views=[
            _view(one, "missing" if one.seen is None else "inspected", ids) for one in found.views
        ],
    )


def result_json(found: PartResult) -> Json:
    """The result of a part in the answer to its last view, whose inspections are not stored yet."""
    body: Json = result_out(found).model_dump(mode="json")
    return body


def recorded_of(found: PartResult) -> PartRecord:
    """A result as the record and other outlets have it."""
    return PartRecord(**asdict(found))


def result_of(stored: PartRecord) -> PartResult:
    """The result that the record has."""
    return RESULTS.validate_python(asdict(stored))


def _part(
    found: WaitingPart | PartResult,
    views: list[PartViewOut],
    *,
    left_ms: float | None = None,
    result: PartResultOut | None = None,
) -> PartOut:
    return PartOut(
        part=found.part,
        number=found.number,
        recipe=found.recipe,
        revision=found.revision,
        state="open" if result is None else "ended",
        station=found.station,
        lot=found.lot,
        tags=dict(found.tags),
        began_at=time_of(found.began_us),
        left_ms=left_ms,
        views=views,
        result=result,
    )


def _view(view: PartView, state: ViewState | str, ids: Mapping[str, int]) -> PartViewOut:
    seen = view.seen
    names = ("request_id", "model", "version", "verdict", "score", "threshold", "scaled")
    said: dict[str, Any] = {name: getattr(seen, name, None) for name in names}
    said["witness"] = seen and witness_of(seen.verdict, seen.score, seen.threshold)
    return PartViewOut.model_validate(
        {"view": view.name, "state": state, "inspection_id": ids.get(view.name), **said}
    )
