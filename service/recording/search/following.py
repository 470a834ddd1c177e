"""New inspections, as they come into the record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, func, select

from service.recording.search.conditions import conditions
from service.recording.search.filters import Filters
from service.recording.search.rows import stored_of, stored_rows
from service.recording.search.stored import StoredInspection
from service.recording.tables import inspections

_OVERLAP: Final = 1000
"""Where several servers write, a lower number may come in after a higher one."""
_MOST: Final = 1000


class Follower:
    """Finds the inspections that came since it was asked last.

    Args:
        connection: for reading; what is there already is not new.
        filters: which ones.
    """

    def __init__(self, connection: Connection, filters: Filters) -> None:
        self._filters = filters
        self._last = connection.execute(select(func.max(inspections.c.id))).scalar() or 0
        overlap = select(inspections.c.id).where(inspections.c.id > self._last - _OVERLAP)
        self._seen = set(connection.execute(overlap).scalars())

    def skip(self, known: Iterable[StoredInspection]) -> None:
        """Take note of inspections that somebody has found by other ways."""
        self._seen |= {one.id for one in known}

    def new(self, connection: Connection) -> list[StoredInspection]:
        """Those that came since, in the order of their numbers; at most some hundred at a time.

        Args:
            connection: for reading.
        """
        rows = connection.execute(
            stored_rows()
            .where(inspections.c.id > self._last - _OVERLAP, *conditions(self._filters))
            .order_by(inspections.c.id)
            .limit(_OVERLAP + _MOST)
        )
        found = [stored_of(row) for row in rows if row.id not in self._seen]
        self._seen |= {one.id for one in found}
        self._last = max([self._last, *(one.id for one in found)])
        self._seen = {number for number in self._seen if number > self._last - _OVERLAP}
        return found
