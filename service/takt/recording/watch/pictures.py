"""Pictures that show a change: one from before it, and one since."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select

from takt.recording.tables import inspections
from takt.recording.watch.alarms import StoredAlarm


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Inspections whose pictures are kept; None where there is none.

    Attributes:
        then_id: the last one before the change.
        now_id: the first one since the alarm was raised; else the last one since the change.
    """

    then_id: int | None
    now_id: int | None


def witnesses_of(connection: Connection, alarm: StoredAlarm) -> Witnesses:
    """The pictures that show what an alarm is about."""
    ids = inspections.c.id
    first, last = func.min(ids), func.max(ids)
    then = _one(connection, alarm, last, ids < alarm.since_id)
    now = _one(connection, alarm, first, ids >= alarm.raised_id)
    if now is None:
        now = _one(connection, alarm, last, ids >= alarm.since_id)
    return Witnesses(then, now)


def _one(
    connection: Connection,
    alarm: StoredAlarm,
    which: ColumnElement[int],
    where: ColumnElement[bool],
) -> int | None:
    query = select(which).where(inspections.c.picture, inspections.c.model == alarm.model, where)
    if alarm.cause != "promise":
        query = query.where(func.coalesce(inspections.c.station, "") == alarm.station)
    return connection.scalar(query)
