"""Entries of the audit log that filters want, the newest first: a page of them, or all as CSV."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import islice
from typing import Final

from sqlalchemy import ColumnElement, Connection, or_, select

from takt.recording.audit.chain import CHUNK, entry_in
from takt.recording.audit.entry import Entry
from takt.recording.search.exports.csv_format import csv_bytes, harmless
from takt.recording.search.filters import check_moment, check_sought
from takt.recording.search.json_form import time_text
from takt.recording.search.times import time_of
from takt.recording.tables import audit

COLUMNS: Final = tuple(one.name.removesuffix("_us") for one in fields(Entry))
"""Of the CSV, named as the API names them."""

_OF_INSPECTIONS: Final = (
    "inspections_judged",
    "judgements_withdrawn",
    "picture_pinned",
    "picture_unpinned",
)
"""Actions whose entries name inspections."""


@dataclass(frozen=True, slots=True)
class AuditFilters:
    """Which entries are wanted: those that meet every filter that is given.

    Attributes:
        since_us: changed at this time or later, in µs of Unix time.
        until_us: changed before this time, in µs of Unix time.
        inspection: number of an inspection that the entry names.
        model: whose the entry is.

    Raises:
        InvalidParameterError: a filter cannot be met whatever the log has.
    """

    since_us: int | None = None
    until_us: int | None = None
    inspection: int | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        check_sought("model", self.model)
        check_moment("since_us", self.since_us)
        check_moment("until_us", self.until_us)


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A page of entries.

    Attributes:
        entries: the newest first.
        before: number to go on from; None at the end.
    """

    entries: tuple[Entry, ...]
    before: int | None


def page_of(
    connection: Connection, filters: AuditFilters, *, limit: int, before: int | None = None
) -> AuditPage:
    """The newest entries that filters want.

    Args:
        connection: for reading.
        filters: which entries.
        limit: most entries.
        before: number of an entry; only those before it. None for the end of the chain.
    """
    # One more than asked for tells whether there is a next page.
    wanted = _wanted(connection, filters, min(limit + 1, CHUNK), before)
    found = tuple(islice(wanted, limit + 1))
    page = found[:limit]
    return AuditPage(page, page[-1].seq if len(found) > limit else None)


def names_inspection(entry: Entry, inspection: int) -> bool:
    """Whether an entry is about an inspection: a judgement of it, or a pin."""
    for text in (entry.old, entry.new):
        try:
            value = json.loads(text or "null")
        except ValueError:  # Somebody made something else of it.
            continue
        if not isinstance(value, dict):
            continue
        if value.get("inspection") == inspection:
            return True
        if inspection in (value.get("inspections") or ()):
            return True
        if str(inspection) in (value.get("judgements") or ()):
            return True
    return False


class AuditCsv:
    """Makes CSV of all entries that filters want, part by part; each reads for a moment only.

    Args:
        filters: which entries.
    """

    def __init__(self, filters: AuditFilters) -> None:
        self._filters = filters
        self._before: int | None = None
        self.ended = False

    def part(self, connection: Connection) -> bytes:
        """The next part; after the last one, `ended` is true.

        Args:
            connection: for reading.
        """
        page = page_of(connection, self._filters, limit=CHUNK, before=self._before)
        first = [COLUMNS] if self._before is None else []
        self._before, self.ended = page.before, page.before is None
        return csv_bytes([*first, *map(_line, page.entries)])


def _wanted(
    connection: Connection, filters: AuditFilters, chunk: int, before: int | None
) -> Iterator[Entry]:
    conditions = list(_conditions(filters))
    while True:
        wanted = select(audit).where(*conditions).order_by(audit.c.seq.desc()).limit(chunk)
        if before is not None:
            wanted = wanted.where(audit.c.seq < before)
        rows = [entry_in(row) for row in connection.execute(wanted).mappings()]
        for entry in rows:
            if filters.inspection is None or names_inspection(entry, filters.inspection):
                yield entry
        if len(rows) < chunk:
            return
        before = rows[-1].seq


def _conditions(filters: AuditFilters) -> Iterable[ColumnElement[bool]]:
    columns = audit.c
    if filters.since_us is not None:
        yield columns.at_us >= filters.since_us
    if filters.until_us is not None:
        yield columns.at_us < filters.until_us
    if filters.model is not None:
        yield columns.model == filters.model
    if filters.inspection is not None:
        # Its digits are in the text; whether they are its number is read out of the JSON.
        digits = str(filters.inspection)
        about = columns.action.in_(_OF_INSPECTIONS)
        yield about & or_(columns.old.contains(digits), columns.new.contains(digits))


def _line(entry: Entry) -> list[str]:
    at = time_text(time_of(entry.at_us))
    rest = (getattr(entry, name) for name in COLUMNS[2:])
    return [str(entry.seq), at, *("" if one is None else harmless(one) for one in rest)]
