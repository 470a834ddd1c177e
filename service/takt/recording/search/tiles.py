"""Tiles: what a grid shows of each inspection, for thousands of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, select

from takt.core.domain import VerdictName, Witness, verdict_name
from takt.core.errors import InvalidParameterError
from takt.recording.keeping import CHOSEN, Chosen
from takt.recording.search.cursor import Cursor
from takt.recording.search.filters import Filters
from takt.recording.search.json_form import time_text
from takt.recording.search.paths import newest
from takt.recording.search.rows import decided_of
from takt.recording.search.times import time_of
from takt.recording.tables import inspections, parts

MOST_TILES: Final = 2000

_MOST_BOXES: Final = 8
_READ: Final = (
    *("id", "at_us", "anomalous", "score", "threshold", "width", "height", "regions"),
    *("part", "kept", "judgement", "picture", "sha256", "undecided", "view", "part_number"),
)


_OF_PART: Final = ("verdict", "reason", "views")


@dataclass(frozen=True, slots=True)
class TilePart:
    """What is said of the part that an inspection is a view of; as in `StoredInspection`."""

    number: int
    view: str
    verdict: VerdictName
    reason: str | None
    decided_by: str | None
    witness: Witness | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectionTile:
    """What a grid shows of an inspection.

    Attributes:
        at: when it was answered, as ISO 8601 in UTC.
        boxes: (x, y, width, height) of the first eight regions, in pixels.
        kept: why a rule or chance has chosen the picture; None where nothing has.
        picture: SHA-256 of the picture in hex, if it is kept now.
        verdict: in a word.
        of_part: what is said of the part whose view it is; None where it is no view of one, or the
            part has no result yet.
        id, anomalous, score, threshold, width, height, part, judgement: as in `StoredInspection`.
    """

    id: int
    at: str
    anomalous: bool
    score: float
    threshold: float
    width: int
    height: int
    boxes: list[list[int]]
    part: str | None
    kept: Chosen | None
    judgement: str | None
    picture: str | None
    verdict: VerdictName
    of_part: TilePart | None


@dataclass(frozen=True, slots=True)
class TilePage:
    """Some tiles, the newest first.

    Attributes:
        tiles: at most as many as were asked for.
        next: where the next page begins; None where nothing is left.
    """

    tiles: list[InspectionTile]
    next: Cursor | None


def tiles_of(
    connection: Connection, filters: Filters, *, limit: int = 200, after: Cursor | None = None
) -> TilePage:
    """A page of tiles, found as `page_of` finds inspections.

    Args:
        connection: for reading.
        filters: of which inspections.
        limit: most tiles of the page, 1 to MOST_TILES.
        after: the `next` of the page before, by the same filters.

    Raises:
        InvalidParameterError: the limit is out of range.
    """
    if not 1 <= limit <= MOST_TILES:
        raise InvalidParameterError(f"limit: {limit} is not within 1 and {MOST_TILES}")
    # One more than asked for tells whether there is a next page.
    chosen = newest(connection, filters, after, limit + 1).subquery()
    rows = connection.execute(
        select(*(inspections.c[name] for name in _READ), *(parts.c[name] for name in _OF_PART))
        .join_from(chosen, inspections, inspections.c.id == chosen.c.id)
        .outerjoin(parts, inspections.c.part_number == parts.c.number)
        .order_by(chosen.c.at_us.desc(), chosen.c.id.desc())
    ).all()
    last = rows[limit - 1] if len(rows) > limit else None
    return TilePage(
        [_tile(row) for row in rows[:limit]],
        None if last is None else Cursor(last.at_us, last.id),
    )


def _tile(row: Sequence[Any]) -> InspectionTile:
    # By position: names would take twice the time, of thousands of rows.
    number, at_us, anomalous, score, threshold, width, height, regions, *more = row
    part, kept, judgement, picture, sha256, undecided, view, part_number, *of_part = more
    return InspectionTile(
        id=number,
        at=time_text(time_of(at_us)),
        anomalous=anomalous,
        score=score,
        threshold=threshold,
        width=width,
        height=height,
        boxes=[one["box"] for one in orjson.loads(regions)[:_MOST_BOXES]] if regions else [],
        part=part,
        kept=kept if kept in CHOSEN else None,
        judgement=judgement,
        picture=bytes(sha256).hex() if picture and sha256 is not None else None,
        verdict=verdict_name(anomalous, undecided),
        of_part=None if of_part[0] is None else _tile_part(view, part_number, *of_part),
    )


def _tile_part(
    view: str, number: int, verdict: VerdictName, reason: str | None, views: str
) -> TilePart:
    decided = decided_of(verdict, reason, views)
    return TilePart(number, view, verdict, reason, decided.view, decided.witness)
