"""Parts of several views in the database: one row for each part that has its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, delete, insert, select

from service.core.domain import Json, VerdictName
from service.recording.database import Database
from service.recording.tables import inspections, parts

MOST_PARTS: Final = 200
"""Most parts of one page."""

_AT_ONCE: Final = 500
"""Most rows of one transaction that removes."""


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that has its result, as the table has it.

    Attributes:
        number: tells it from other parts of its id; a later one has a higher number.
        part: id of the part.
        recipe: name of its recipe.
        revision: of the recipe.
        began_us: when its first view came, in µs of Unix time.
        ended_us: when it got its result, in µs of Unix time.
        ended_by: what gave it the result.
        verdict: on the part.
        reason: why it is undecided; None where it is not.
        score: the highest scaled score of its views; None where there is none.
        view: whose that is.
        station: where it was; None where nobody said so.
        lot: that it belongs to; None where nobody said so.
        views: what became of each view of the recipe, as JSON.
    """

    number: int
    part: str
    recipe: str
    revision: int
    began_us: int
    ended_us: int
    ended_by: str
    verdict: VerdictName
    reason: str | None
    score: float | None
    view: str | None
    station: str | None
    lot: str | None
    views: list[Json]


@dataclass(frozen=True, slots=True)
class PartFilters:
    """Which parts are wanted: those that meet every filter that is given.

    Attributes:
        part: id of the part.
        recipe: name of the recipe.
        verdict: on the part.
        before: number of a part; only those before it.
    """

    part: str | None = None
    recipe: str | None = None
    verdict: VerdictName | None = None
    before: int | None = None


def insert_parts(database: Database, some: Sequence[StoredPart]) -> None:
    """Store parts in one transaction.

    Raises:
        RefusedRowsError: the database takes none of them.
        RecordError: it does not answer.
    """
    rows = [{**asdict(one), "views": orjson.dumps(one.views).decode()} for one in some]
    with database.writing() as connection:
        connection.execute(insert(parts), rows)


def parts_of(connection: Connection, wanted: PartFilters, limit: int) -> tuple[StoredPart, ...]:
    """Parts, the latest first."""
    query = select(parts).order_by(parts.c.number.desc()).limit(min(limit, MOST_PARTS))
    for name in ("part", "recipe", "verdict"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(parts.c[name] == value)
    if wanted.before is not None:
        query = query.where(parts.c.number < wanted.before)
    return tuple(_stored(row) for row in connection.execute(query))


def part_of(connection: Connection, part: str, number: int | None = None) -> StoredPart | None:
    """The latest part of an id, or the one of a number; None where there is none."""
    query = select(parts).where(parts.c.part == part).order_by(parts.c.number.desc()).limit(1)
    if number is not None:
        query = query.where(parts.c.number == number)
    row = connection.execute(query).one_or_none()
    return None if row is None else _stored(row)


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


def _stored(row: Row[Any]) -> StoredPart:
    values = row._asdict()
    del values["id"]
    return StoredPart(**{**values, "views": orjson.loads(values["views"])})
