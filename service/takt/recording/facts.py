"""An answer as a row of the record."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from typing import Any

import orjson

from takt.core.domain import Timings, reason_json, regions_json
from takt.observing.records import AnswerRecord, Asked
from takt.recording.committing import Commit
from takt.recording.keeping import Reason
from takt.recording.pictures import (
    Picture,
    PictureKey,
    format_of,
    sha256_of,
)

Row = dict[str, Any]
"""Columns of `inspections` by name, without `id` and `source_id`."""


@dataclass(slots=True)
class Noted:
    """An answer on its way into the record.

    Attributes:
        answer: what was decided.
        asked: what came with the picture; its own picture is in `picture`.
        picture: until it is weighed and kept; None where nobody could hold it.
        keep: why the picture is to be kept; None if it is not.
        bytes: that the picture holds in memory.
        commit: waits until it is stored; None where nobody does.
    """

    answer: AnswerRecord
    asked: Asked
    picture: Picture | None
    keep: Reason | None
    bytes: int
    commit: Commit | None = None


def key_of(answer: AnswerRecord, picture: Picture) -> PictureKey:
    """What names the picture of an answer."""
    return PictureKey(at_us_of(answer), sha256_of(picture), format_of(picture))


def at_us_of(answer: AnswerRecord) -> int:
    """Time of an answer in µs of Unix time."""
    return int(answer.at_s * 1e6)


def row_of(noted: Noted, key: PictureKey | None, *, picture: bool) -> Row:
    """An answer's row.

    Args:
        noted: the answer.
        key: of its picture; None where nobody could hold it.
        picture: whether its picture is on the disk.
    """
    answer, asked = noted.answer, noted.asked
    verdict, timings, labels = answer.verdict, answer.timings, asked.labels
    return {
        "at_us": at_us_of(answer),
        "model": answer.model,
        "version": answer.version,
        "request_id": answer.request_id,
        "protocol": answer.by,
        "caller": asked.caller,
        "anomalous": verdict.anomalous,
        "score": verdict.score,
        "threshold": verdict.threshold,
        # Infinity is not a number to every reader of a database.
        "pixel_threshold": min(verdict.pixel_threshold, _LARGEST),
        "percentile": verdict.percentile,
        "regions": _json(regions_json(verdict.regions)),
        "width": answer.width,
        "height": answer.height,
        "warnings": ",".join(answer.warnings) or None,
        **{name: getattr(timings, name) for name in _TIMES},
        "sha256": None if key is None else bytes.fromhex(key.sha256),
        "input_bytes": noted.bytes,
        "input_format": "unknown" if key is None else key.input_format,
        "station": labels.station,
        "part": labels.part,
        "lot": labels.lot,
        "tags": _json(dict(labels.tags)),
        "kept": noted.keep,
        "picture": picture,
        "pinned": False,
        "judgement": None,
        "judged_at_us": None,
        "undecided": None if verdict.undecided is None else _json(reason_json(verdict.undecided)),
        "facts": None if answer.facts is None else answer.facts.astype("<f4").tobytes(),
        "view": None if asked.view is None else asked.view.view,
        "part_number": None if asked.view is None else asked.view.number,
    }


def _json(value: list[Any] | dict[str, Any]) -> str | None:
    return orjson.dumps(value).decode() if value else None


_LARGEST = sys.float_info.max
_TIMES = tuple(one.name for one in fields(Timings))
