"""Parts of several views in the database: one row for each part that has its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, delete, func, insert, select

from takt.core.domain import VerdictName
from takt.observing.records import PartRecord
from takt.recording.database import Database
from takt.recording.search.filters import check_moment, check_sought
from takt.recording.tables import inspections, parts

MOST_PARTS: Final = 200
"""Most parts of one page."""

_AT_ONCE: Final = 500
"""Most rows of one transaction that removes."""


@dataclass(frozen=True, slots=True)
class PartFilters:
    """Which parts are wanted: those that meet every filter that is given.

    Attributes:
        part: id of the part.
        recipe: name of the recipe.
        verdict: on the part.
        before: number of a part; only those before it.
        station: where it was.
        since_us: ended at this time or later, in µs of Unix time.
        until_us: ended before this time, in µs of Unix time.

    Raises:
        InvalidParameterError: a filter cannot be met whatever the record has.
    """

    part: str | None = None
    recipe: str | None = None
    verdict: VerdictName | None = None
    before: int | None = None
    station: str | None = None
    since_us: int | None = None
    until_us: int | None = None

    def __post_init__(self) -> None:
        for name in ("part", "station"):
            check_sought(name, getattr(self, name))
        for name in ("since_us", "until_us"):
            check_moment(name, getattr(self, name))


def insert_parts(database: Database, some: Sequence[PartRecord], *, durable: bool = False) -> None:
    """Store parts in one transaction.

    Args:
        database: where to.
        some: the parts.
        durable: whether they are on the disk by then.

    Raises:
        RefusedRowsError: the database takes none of them.
        RecordError: it does not answer.
    """
    rows = [
        {
            **asdict(one),
            "views": orjson.dumps(one.views).decode(),
            "tags": orjson.dumps(one.tags).decode() if one.tags else None,
        }
        for one in some
    ]
    with database.writing(durable=durable) as connection:
        connection.execute(insert(parts), rows)


def parts_of(connection: Connection, wanted: PartFilters, limit: int) -> tuple[PartRecord, ...]:
    """Parts, the latest first."""
    query = select(parts).order_by(parts.c.number.desc()).limit(min(limit, MOST_PARTS))
    for name in ("part", "recipe", "verdict", "station"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(parts.c[name] == value)
    if wanted.before is not None:
        query = query.where(parts.c.number < wanted.before)
    if wanted.since_us is not None:
        query = query.where(parts.c.ended_us >= wanted.since_us)
    if wanted.until_us is not None:
        query = query.where(parts.c.ended_us < wanted.until_us)
    return tuple(stored_part(row) for row in connection.execute(query))


def part_of(connection: Connection, part: str, number: int | None = None) -> PartRecord | None:
    """The latest part of an id, or the one of a number; None where there is none."""
    query = select(parts).where(parts.c.part == part).order_by(parts.c.number.desc()).limit(1)
    if number is not None:
        query = query.where(parts.c.number == number)
    row = connection.execute(query).one_or_none()
    return None if row is None else stored_part(row)


def highest_number(connection: Connection) -> int:
    """The highest number of a part; 0 where there is none."""
    return int(connection.scalar(select(func.max(parts.c.number))) or 0)


def inspections_of(connection: Connection, part: str, number: int) -> Mapping[str, int]:
    """The numbers of the inspections of a part's views, by the views' names."""
    of = inspections.c
    query = select(of.view, of.id).where(of.part == part, of.part_number == number).order_by(of.id)
    return {row.view: row.id for row in connection.execute(query)}


def remove_parts(database: Database, before_us: int, stop: Callable[[], bool]) -> None:
    """Remove parts that ended before a time, in µs of Unix time.

    Raises:
        RecordError: the database does not answer.
    """
    old = select(parts.c.id).where(parts.c.ended_us < before_us).order_by(parts.c.id)
    while not stop():
        with database.writing() as connection:
            done = connection.execute(
                delete(parts).where(parts.c.id.in_(old.limit(_AT_ONCE).scalar_subquery()))
            )
        if done.rowcount < _AT_ONCE:
            return


def stored_part(row: Row[Any]) -> PartRecord:
    """The part of a row of the table."""
    values = row._asdict()
    del values["id"]
    tags = orjson.loads(values.pop("tags") or "{}")
    return PartRecord(**{**values, "views": orjson.loads(values["views"])}, tags=tags)
