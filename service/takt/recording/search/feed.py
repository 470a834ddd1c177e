"""The feed: every inspection once, in the order of its number, for who keeps up with a record.

Numbers are given before a row can be seen. In SQLite one transaction writes at a time, so that rows
are seen in the order of their numbers. In PostgreSQL a row may be seen while one of a lower number
is still to come, or never does. So the feed ends where every number was settled: at the highest
that is seen, once all transactions have ended that were writing just then. Any number up to it was
given to one of them, or to one that had ended before.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select, text

from takt.core.errors import ConflictError, InvalidParameterError, RecordError
from takt.recording.search.conditions import conditions
from takt.recording.search.filters import Filters
from takt.recording.search.pages import MOST_ON_A_PAGE
from takt.recording.search.rows import stored_of, stored_rows
from takt.recording.search.stored import StoredInspection
from takt.recording.tables import inspections

_LOOKED_AT: Final = 10_000
"""Most inspections that one call looks at, so that no filter makes it long."""

_PATIENCE_S: Final = 0.5
"""Longest wait for others to end what they write; they take some milliseconds."""
_LOOK_AGAIN_S: Final = 0.01

_WRITING = text(
    "SELECT virtualtransaction FROM pg_locks WHERE mode = 'RowExclusiveLock' AND granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND relation = 'inspections'::regclass"
)


@dataclass(frozen=True, slots=True)
class Feed:
    """What came after a number.

    Attributes:
        inspections: the lowest number first.
        after: where the next call goes on: everything up to this number is told, or not wanted.
        more: whether there is more by now.
    """

    inspections: tuple[StoredInspection, ...]
    after: int
    more: bool


def feed_of(connection: Connection, filters: Filters, *, after: int, limit: int = 100) -> Feed:
    """The inspections that came after a number, as far as no lower one can still come.

    Args:
        connection: for reading.
        filters: which ones.
        after: the `after` of the call before; 0 for all that the record has.
        limit: most inspections, 1 to MOST_ON_A_PAGE.

    Raises:
        InvalidParameterError: the limit is out of range.
        ConflictError: the record has not come as far as `after`, which must be of another one.
    """
    if not 1 <= limit <= MOST_ON_A_PAGE:
        raise InvalidParameterError(f"limit: {limit} is not within 1 and {MOST_ON_A_PAGE}")
    end = _end(connection)
    if end is None or end == after:
        return Feed((), after, more=False)
    if end < after:
        raise ConflictError(
            f"after: the record ends at {end}, before {after}: that number is of another record, "
            f"or the last moments went with the power. Go on with after={end}, or with after=0"
        )
    ids = inspections.c.id
    looked_at = (
        select(ids).where(ids > after, ids <= end).order_by(ids).limit(_LOOKED_AT).subquery()
    )
    count, last = connection.execute(select(func.count(), func.max(looked_at.c.id))).one()
    reached = last if count == _LOOKED_AT else end
    rows = connection.execute(
        stored_rows()
        .where(ids > after, ids <= reached, *conditions(filters, by_index=False))
        .order_by(ids)
        .limit(limit + 1)
    ).all()
    found = tuple(stored_of(row) for row in rows[:limit])
    if len(rows) > limit:
        reached = found[-1].id
    return Feed(found, reached, more=reached < end)


def settled_end(connection: Connection) -> int:
    """The number after which all that is new will come; 0 in an empty record.

    Raises:
        RecordError: somebody takes long to write.
    """
    end = _end(connection)
    if end is None:
        raise RecordError("somebody is writing to the record, and takes long; ask again")
    return end


def _end(connection: Connection) -> int | None:
    """As `settled_end`; None where it cannot be told yet."""
    end: int = connection.scalar(select(func.max(inspections.c.id))) or 0
    if connection.dialect.name != "postgresql":
        return end
    until_s = time.monotonic() + _PATIENCE_S
    # Each statement sees what is committed by then. Who began to write later has higher numbers.
    writing = {*connection.scalars(_WRITING)}
    while writing:
        if time.monotonic() >= until_s:
            return None
        time.sleep(_LOOK_AGAIN_S)
        writing &= {*connection.scalars(_WRITING)}
    return end
