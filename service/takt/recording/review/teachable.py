"""How many judged pictures of a model there are to teach it with; counted, and none is opened."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, select

from takt.core.judged import WORDS
from takt.recording.tables import inspections


@dataclass(frozen=True, slots=True)
class Teachable:
    """The judged pictures of a model, whichever of its versions answered.

    Attributes:
        defects: different kept pictures that were judged a defect last.
        good: those that were judged good last.
        missing: inspections judged either whose pictures are not kept, or not any more.
        new: defects and good ones that were judged since some moment; all if none was given.
    """

    defects: int
    good: int
    missing: int
    new: int


def teachable(connection: Connection, model: str, since_us: int | None = None) -> Teachable:
    """The judged pictures of a model, as an export of them would find them.

    Args:
        connection: for reading.
        model: its name.
        since_us: what was judged at this time or later is new, in µs of Unix time.
    """
    table = inspections.c
    judged = and_(table.model == model, table.judgement.in_(WORDS))
    there = and_(table.picture, table.sha256.is_not(None))
    # Of a picture that was inspected several times the latest judgement counts.
    latest = (
        select(
            table.judgement,
            table.judged_at_us,
            func.row_number()
            .over(
                partition_by=table.sha256,
                order_by=(table.judged_at_us.desc(), table.id.desc()),
            )
            .label("place"),
        )
        .where(judged, there)
        .subquery()
    )
    is_new = latest.c.judged_at_us >= (since_us or 0)
    counted = select(
        func.count().filter(latest.c.judgement == "defect"),
        func.count().filter(latest.c.judgement == "good"),
        func.count().filter(is_new),
    ).where(latest.c.place == 1)
    defects, good, new = connection.execute(counted).one()
    gone = select(func.count()).select_from(inspections).where(judged, ~there)
    return Teachable(defects, good, connection.execute(gone).scalar_one(), new)
