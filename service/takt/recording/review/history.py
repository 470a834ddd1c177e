"""What was said of an inspection by whom, who has seen it, and where reviewers disagree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import orjson
from sqlalchemy import Connection, distinct, func, select

from takt.core.domain import Box
from takt.recording.database import Database
from takt.recording.review.rows import refuse_unknown
from takt.recording.search.conditions import conditions
from takt.recording.search.filters import Filters
from takt.recording.tables import inspections, judgements, sightings

WITHDRAWN: Final = "withdrawn"
"""Stands in the place of a judgement where a reviewer took back the latest one of his own."""

_CHUNK: Final = 1000


@dataclass(frozen=True, slots=True)
class Said:
    """One row of what was said of an inspection.

    Attributes:
        id: of the row; a later one has a higher id.
        at_us: when, in µs of Unix time.
        reviewer: who.
        judgement: defect, good, unsure, or withdrawn.
        kind: of the defect, if given.
        note: if given.
        box: where the defect is, in pixels of the upright picture, if given.
    """

    id: int
    at_us: int
    reviewer: str
    judgement: str
    kind: str | None
    note: str | None
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """Who has seen an inspection, and when first, in µs of Unix time."""

    reviewer: str
    at_us: int


@dataclass(frozen=True, slots=True)
class History:
    """Everything that was said of an inspection.

    Attributes:
        said: oldest first; with what was taken back.
        seen: who has seen it, in the order of their first looks.
    """

    said: tuple[Said, ...]
    seen: tuple[Sighting, ...]

    @property
    def standing(self) -> tuple[Said, ...]:
        """The judgements that nobody took back, oldest first; the last one counts."""
        return standing(self.said)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An inspection that one reviewer calls good and another one a defect.

    Attributes:
        inspection_id: its id.
        opinions: the latest standing judgement of each reviewer, the latest one last.
    """

    inspection_id: int
    opinions: tuple[Said, ...]


def standing(said: Iterable[Said]) -> tuple[Said, ...]:
    """The judgements that stand, of rows with the oldest first.

    >>> ann = Said(1, 0, "ann", "good", None, None)
    >>> bob = Said(2, 0, "bob", "defect", None, None)
    >>> [one.judgement for one in standing([ann, bob, Said(3, 0, "bob", "withdrawn", None, None)])]
    ['good']
    """
    stand: list[Said] = []
    for row in said:
        if row.judgement != WITHDRAWN:
            stand.append(row)
            continue
        own = [number for number, one in enumerate(stand) if one.reviewer == row.reviewer]
        if own:
            del stand[own[-1]]
    return tuple(stand)


def opinions(said: Iterable[Said]) -> tuple[Said, ...]:
    """The latest standing judgement of each reviewer, the latest one last."""
    latest = {row.reviewer: row for row in standing(said)}
    return tuple(sorted(latest.values(), key=lambda row: row.id))


def said_of(connection: Connection, ids: Sequence[int]) -> dict[int, list[Said]]:
    """What was said of inspections, oldest first; none of those of which nothing was."""
    columns = judgements.c
    wanted = select(judgements).where(columns.inspection_id.in_(ids)).order_by(columns.id)
    found: defaultdict[int, list[Said]] = defaultdict(list)
    for row in connection.execute(wanted):
        said = row._asdict()
        of, box = said.pop("inspection_id"), said.pop("box")
        found[of].append(Said(**said, box=None if box is None else Box(*orjson.loads(box))))
    return dict(found)


def history(database: Database, inspection_id: int) -> History:
    """Everything that was said of one inspection, and who has seen it.

    Raises:
        InspectionNotFoundError: the record lacks it.
        RecordError: the database cannot be read.
    """
    with database.reading() as connection:
        there = select(inspections.c.id).where(inspections.c.id == inspection_id)
        if connection.execute(there).first() is None:
            refuse_unknown([inspection_id])
        looked = (
            select(sightings.c.reviewer, sightings.c.at_us)
            .where(sightings.c.inspection_id == inspection_id)
            .order_by(sightings.c.at_us, sightings.c.reviewer)
        )
        return History(
            tuple(said_of(connection, [inspection_id]).get(inspection_id, ())),
            tuple(Sighting(*row) for row in connection.execute(looked)),
        )


def disagreements(
    database: Database, filters: Filters, limit: int, before: int | None = None
) -> list[Disagreement]:
    """Inspections that one reviewer calls good and another one a defect, the newest first.

    Args:
        database: of the record.
        filters: of the inspections.
        limit: most disagreements.
        before: id of an inspection; only older ones. None for the newest.

    Raises:
        RecordError: the database cannot be read.
    """
    found: list[Disagreement] = []
    while len(found) < limit:
        with database.reading() as connection:
            ids = _of_several(connection, filters, before)
            said = said_of(connection, ids)
        for one in ids:
            latest = opinions(said[one])
            if {"good", "defect"} <= {row.judgement for row in latest}:
                found.append(Disagreement(one, latest))
        if len(ids) < _CHUNK:
            break
        before = ids[-1]
    return found[:limit]


def _of_several(connection: Connection, filters: Filters, before: int | None) -> list[int]:
    """Inspections of which several reviewers said something, the newest first."""
    column = judgements.c.inspection_id
    wanted = (
        select(column)
        .join(inspections, inspections.c.id == column)
        .where(*conditions(filters))
        .group_by(column)
        .having(func.count(distinct(judgements.c.reviewer)) > 1)
        .order_by(column.desc())
        .limit(_CHUNK)
    )
    if before is not None:
        wanted = wanted.where(column < before)
    return list(connection.execute(wanted).scalars())
