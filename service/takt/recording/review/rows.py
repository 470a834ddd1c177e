"""The inspections that a request names: all of them are there, or nothing is done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, Insert, select
from sqlalchemy.dialects import postgresql, sqlite

from takt.core.errors import InspectionNotFoundError, InvalidParameterError
from takt.recording.search.conditions import conditions
from takt.recording.search.filters import Filters
from takt.recording.tables import inspections, sightings

MOST_AT_ONCE: Final = 1000
"""Inspections that one request names at most."""

_MOST_NAMED: Final = 10
_HIGHEST_ID: Final = 2**63 - 1


class NamedRow(NamedTuple):
    """What is asked of an inspection before it is changed.

    Attributes:
        judgement: the one that counts until now; None for none.
        picture: whether its picture is on the disk.
        pinned: whether its picture stays.
        width: of its picture, upright, in pixels.
        height: of its picture, upright, in pixels.
    """

    judgement: str | None
    picture: bool
    pinned: bool
    width: int
    height: int


def lock_rows(connection: Connection, ids: Sequence[int]) -> dict[int, NamedRow]:
    """The inspections of some ids, which nobody else changes until the transaction ends.

    Args:
        connection: with a transaction that writes.
        ids: 1 to `MOST_AT_ONCE`; one that comes twice counts once.

    Raises:
        InspectionNotFoundError: the record lacks some; the message names them.
        InvalidParameterError: there is none, or there are too many.
    """
    if not 0 < len(ids) <= MOST_AT_ONCE:
        raise InvalidParameterError(
            f"ids: {len(ids)} inspections are named; name 1 to {MOST_AT_ONCE} at once"
        )
    columns = inspections.c
    wanted = (
        select(columns.id, *(columns[name] for name in NamedRow._fields))
        .where(columns.id.in_([one for one in set(ids) if 0 < one <= _HIGHEST_ID]))
        # In one order, so that two requests never wait for each other.
        .order_by(columns.id)
        .with_for_update()
    )
    found = {row[0]: NamedRow(*row[1:]) for row in connection.execute(wanted)}
    refuse_unknown(one for one in ids if one not in found)
    return found


def of_request(connection: Connection, request_id: str) -> int:
    """The one inspection of a request.

    Raises:
        InspectionNotFoundError: the record has none, or not yet.
        InvalidParameterError: it has several, as of a request with several pictures.
    """
    wanted = select(inspections.c.id).where(*conditions(Filters(request_id=request_id))).limit(2)
    found = connection.execute(wanted).scalars().all()
    if not found:
        raise InspectionNotFoundError(
            f"the record has no inspection of request {request_id} yet; an answer is recorded some "
            "tenths of a second after it is given, so ask again in a second"
        )
    if len(found) > 1:
        raise InvalidParameterError(
            f"request_id: several inspections are of request {request_id}; name one by its number, "
            "which GET /v1/inspections?request_id=… lists"
        )
    return int(found[0])


def refuse_unknown(ids: Iterable[int]) -> None:
    """Refuse ids, if there are some, that the record lacks.

    Raises:
        InspectionNotFoundError: names them.
    """
    missing = sorted(set(ids))
    if missing:
        raise InspectionNotFoundError(
            f"the record has no inspection {listed(missing)}; nothing was changed"
        )


def listed(ids: Sequence[int]) -> str:
    """Ids for people; of many the first ones and how many more.

    >>> listed([3, 4])
    '3, 4'
    """
    named = ", ".join(map(str, ids[:_MOST_NAMED]))
    return named if len(ids) <= _MOST_NAMED else f"{named} and {len(ids) - _MOST_NAMED} more"


def add_sightings(connection: Connection, ids: Iterable[int], reviewer: str, at_us: int) -> int:
    """Note who looks at inspections, which are there; the first time counts.

    Returns:
        The number of inspections that the reviewer sees for the first time.
    """
    rows = [{"inspection_id": one, "reviewer": reviewer, "at_us": at_us} for one in sorted(ids)]
    seen = select(sightings.c.inspection_id).where(
        sightings.c.inspection_id.in_([row["inspection_id"] for row in rows]),
        sightings.c.reviewer == reviewer,
    )
    known = set(connection.execute(seen).scalars())
    new = [row for row in rows if row["inspection_id"] not in known]
    if new:
        connection.execute(_insert_new(connection), new)
    return len(new)


def _insert_new(connection: Connection) -> Insert:
    """Inserts sightings; somebody else may have noted the same in this moment."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(sightings).on_conflict_do_nothing()
    return postgresql.insert(sightings).on_conflict_do_nothing()
