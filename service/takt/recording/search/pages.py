"""Pages of inspections, the newest first; one of them; and how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from takt.core.errors import InspectionNotFoundError, InvalidParameterError
from takt.recording.search.cursor import Cursor
from takt.recording.search.filters import Filters
from takt.recording.search.paths import newest
from takt.recording.search.rows import stored_of, stored_rows
from takt.recording.search.stored import StoredInspection
from takt.recording.tables import inspections

MOST_ON_A_PAGE: Final = 1000
MOST_COUNTED: Final = 10_000
"""Counting ends here: whoever has this many needs no exact number, and it takes no longer."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some inspections, the newest first.

    Attributes:
        inspections: at most as many as were asked for.
        next: where the next page begins; None where nothing is left.
    """

    inspections: tuple[StoredInspection, ...]
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The numbers of the inspections that were recorded next to one; None at the record's ends."""

    before: int | None
    after: int | None


def page_of(
    connection: Connection, filters: Filters, *, limit: int = 100, after: Cursor | None = None
) -> Page:
    """A page of the inspections that the filters want.

    However many inspections the record has, a page takes about the same time: the cursor says where
    to go on, and what is new meanwhile moves nothing.

    Args:
        connection: for reading.
        filters: which ones.
        limit: most inspections of the page, 1 to MOST_ON_A_PAGE.
        after: the `next` of the page before, by the same filters.

    Raises:
        InvalidParameterError: the limit is out of range.
    """
    if not 1 <= limit <= MOST_ON_A_PAGE:
        raise InvalidParameterError(f"limit: {limit} is not within 1 and {MOST_ON_A_PAGE}")
    # One more than asked for tells whether there is a next page.
    selected = connection.execute(newest(connection, filters, after, limit + 1))
    chosen = [Cursor(row.at_us, row.id) for row in selected]
    ids = [one.id for one in chosen[:limit]]
    rows = connection.execute(stored_rows().where(inspections.c.id.in_(ids))) if ids else ()
    found = {row.id: stored_of(row) for row in rows}
    # Retention may have removed one just now.
    page = tuple(found[number] for number in ids if number in found)
    return Page(page, chosen[limit - 1] if len(chosen) > limit else None)


def count_of(connection: Connection, filters: Filters) -> int:
    """How many inspections the filters want; MOST_COUNTED stands for that many or more."""
    some = newest(connection, filters, None, MOST_COUNTED).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


def inspection_of(connection: Connection, number: int) -> StoredInspection:
    """The inspection of that number.

    Raises:
        InspectionNotFoundError: the record has none.
    """
    row = connection.execute(stored_rows().where(inspections.c.id == number)).one_or_none()
    if row is None:
        raise InspectionNotFoundError(
            f"the record has no inspection {number}; retention or somebody may have removed it"
        )
    return stored_of(row)


def neighbours_of(connection: Connection, number: int) -> Neighbours:
    """What was recorded just before and after an inspection, whether or not that is still there."""
    ids = inspections.c.id
    before = select(func.max(ids)).where(ids < number)
    after = select(func.min(ids)).where(ids > number)
    return Neighbours(connection.scalar(before), connection.scalar(after))
