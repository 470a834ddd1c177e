"""Errors of the record's routes, as the API's document shows them."""

from __future__ import annotations

from typing import Any, Final

from takt.api.problems import problem_responses
from takt.core.errors import InvalidParameterError, NoRecordError, RecordError, TaktError

NO_RECORD: Final = NoRecordError(
    "this server keeps no record; whoever runs it may start it with --record sqlite"
)
UNREACHABLE: Final = RecordError(
    "the record sqlite:///takt-data/record.sqlite cannot be used now: database is locked"
)
NO_NUMBER: Final = InvalidParameterError("id: Input should be greater than or equal to 1")
NO_LIMIT: Final = InvalidParameterError("limit: Input should be greater than 0")
NO_VERSION: Final = InvalidParameterError(
    "version: a version is one of a model; name the model, too"
)


def record_responses(*errors: TaktError) -> dict[int | str, dict[str, Any]]:
    """The answers to errors of a route that works on the record, which may not be there."""
    return problem_responses(NO_RECORD, UNREACHABLE, *errors)
