"""A verdict as others are told of it: in the API's words, with a link, without its picture."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import orjson

from takt.core.domain import Json, optional_reason_json, regions_json
from takt.observing.records import AnswerRecord, Asked, PartRecord

_OF_VIEW: Final = ("verdict", "request_id", "model", "version", "score", "threshold", "scaled")


def verdict_body(answer: AnswerRecord, asked: Asked, *, recorded: bool) -> bytes:
    """What is told of an answer; its id is added as it is sent.

    Args:
        answer: what was decided.
        asked: what the caller said of the part.
        recorded: whether the server keeps a record, in which it is found.
    """
    verdict, labels, view = answer.verdict, asked.labels, asked.view
    found = f"/v1/inspections?request_id={quote(answer.request_id, safe='')}"
    return orjson.dumps(
        {
            "type": "verdict",
            "at": time_text(answer.at_s),
            "request_id": answer.request_id,
            "model": answer.model,
            "version": answer.version,
            "station": labels.station,
            "part": labels.part,
            "lot": labels.lot,
            "tags": dict(labels.tags),
            # Whoever takes the verdict on a view for that on its part lets bad parts pass.
            "view": None if view is None else view.view,
            "part_number": None if view is None else view.number,
            "verdict": verdict.name,
            "anomalous": verdict.anomalous,
            "undecided": optional_reason_json(verdict.undecided),
            "score": verdict.score,
            "threshold": verdict.threshold,
            "regions": regions_json(verdict.regions),
            "warnings": answer.warnings,
            "inspection": found if recorded else None,
        }
    )


def part_body(part: PartRecord) -> bytes:
    """What is told of a part of several views; its id is added as it is sent."""
    return orjson.dumps(
        {
            "type": "part",
            "at": time_text(part.ended_us / 1e6),
            "part": part.part,
            "number": part.number,
            "recipe": part.recipe,
            "revision": part.revision,
            "station": part.station,
            "lot": part.lot,
            "verdict": part.verdict,
            "reason": part.reason,
            "score": part.score,
            "view": part.view,
            "ended_by": part.ended_by,
            "views": [_view_json(one) for one in part.views],
            "link": f"/v1/parts/{quote(part.part, safe='')}?number={part.number}",
        }
    )


def _view_json(view: Json) -> Json:
    """A view of a part; of one that is missing there is but its name."""
    seen = view["seen"] or {}
    return {"view": view["name"], **{name: seen.get(name) for name in _OF_VIEW}}


def time_text(at_s: float) -> str:
    """A Unix time as the API has it.

    >>> time_text(1.5)
    '1970-01-01T00:00:01.500000Z'
    """
    at = datetime.fromtimestamp(at_s, UTC)
    return f"{at.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
