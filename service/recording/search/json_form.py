"""A stored inspection as JSON: in the API's answers, in JSON lines and at the terminal."""

from __future__ import annotations

from datetime import datetime

from service.core.domain import Json, optional_reason_json, regions_json
from service.recording.search.stored import COLUMNS, StoredInspection


def json_of(inspection: StoredInspection) -> Json:
    """An inspection as a JSON object, with the names of `StoredInspection`."""
    body: Json = {column.name: getattr(inspection, column.name) for column in COLUMNS}
    return body | {
        "at": time_text(inspection.at),
        "judged_at": None if inspection.judged_at is None else time_text(inspection.judged_at),
        "regions": regions_json(inspection.regions),
        "undecided": optional_reason_json(inspection.undecided),
    }


def time_text(at: datetime) -> str:
    """A time in UTC as ISO 8601 to the µs.

    >>> from datetime import UTC
    >>> time_text(datetime(2026, 3, 1, 12, tzinfo=UTC))
    '2026-03-01T12:00:00.000000Z'
    """
    return f"{at.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
