"""What the record's routes answer, as the API's documentation shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainSerializer, create_model

from takt.api.schemas import ReasonOut, RegionOut, ReplyOut, Schema
from takt.recording.search.json_form import time_text
from takt.recording.search.pages import MOST_COUNTED
from takt.recording.search.stored import COLUMNS, Column, ColumnKind
from takt.recording.search.times import time_of


def _moment(at: object) -> object:
    return time_of(at) if isinstance(at, int) else at


Moment = Annotated[datetime, BeforeValidator(_moment)]
"""A moment, which the record has in µs of Unix time."""

MomentText = Annotated[Moment, PlainSerializer(time_text, return_type=str)]
"""The same as a text, with all six digits of its seconds."""

_TYPES: Final[dict[ColumnKind, Any]] = {
    "integer": int,
    "number": float,
    "truth": bool,
    "text": str,
    "time": datetime,
    "texts": list[str],
    "regions": list[RegionOut],
    "tags": dict[str, str],
    "reason": ReasonOut,
}


def _field(column: Column) -> tuple[Any, Any]:
    unit = f" In {column.unit}." if column.unit else ""
    kind = _TYPES[column.kind]
    return (kind | None if column.optional else kind), Field(description=f"{column.meaning}{unit}")


StoredInspectionOut: Final = create_model(
    "StoredInspectionOut",
    __base__=Schema,
    __doc__="An inspection of the record.",
    **{column.name: _field(column) for column in COLUMNS},  # type: ignore[call-overload]
)
"""Made of the columns, so that each is described once."""


class InspectionsOut(Schema):
    """A page of the record."""

    inspections: list[StoredInspectionOut] = Field(  # type: ignore[valid-type]
        description="The newest first."
    )
    next: str | None = Field(description="`cursor` of the next page; null where nothing is left.")
    count: int | None = Field(
        description=f"How many the filters want; {MOST_COUNTED} stands for that many or more. "
        "Null unless asked for."
    )


class FeedOut(Schema):
    """What was recorded after a number."""

    inspections: list[StoredInspectionOut] = Field(  # type: ignore[valid-type]
        description="The lowest number first."
    )
    after: int = Field(
        description="`after` of the next call: all up to this number is told, or not wanted."
    )
    more: bool = Field(description="Whether there is more by now.")


class NeighboursOut(ReplyOut):
    """The inspections that were recorded next to one."""

    before: int | None = Field(description="Number of the one before; null if there is none.")
    after: int | None = Field(description="Number of the one after; null if there is none yet.")
