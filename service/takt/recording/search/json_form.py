"""A stored inspection as JSON: in the API's answers, in JSON lines and at the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from takt.core.domain import Json, optional_reason_json, regions_json
from takt.recording.search.stored import COLUMNS, Column, ColumnKind


def json_of(row: Any, columns: Sequence[Column] = COLUMNS) -> Json:
    """An inspection, or a row of other columns, as a JSON object with the columns' names."""
    return {column.name: _json_value(getattr(row, column.name), column.kind) for column in columns}


def _json_value(value: Any, kind: ColumnKind) -> Any:
    match kind:
        case "time":
            return None if value is None else time_text(value)
        case "regions":
            return regions_json(value)
        case "reason":
            return optional_reason_json(value)
    return value


def time_text(at: datetime) -> str:
    """A time in UTC as ISO 8601 to the µs.

    >>> from datetime import UTC
    >>> time_text(datetime(2026, 3, 1, 12, tzinfo=UTC))
    '2026-03-01T12:00:00.000000Z'
    """
    return f"{at.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
