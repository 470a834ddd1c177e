"""What a watch has found, and what people say of it: alarms and marks, as the record has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, insert, select, update

from takt.core.errors import AlarmNotFoundError
from takt.recording.audit.chain import append, tell_stored
from takt.recording.audit.entry import Change
from takt.recording.database import Database
from takt.recording.search.times import now_us
from takt.recording.tables import alarms, inspections, marks
from takt.watching.explaining import explaining_first

AlarmCause = Literal["camera", "defects", "promise"]

MarkKind = Literal["maintenance", "shift"]
"""Maintenance lets the watches of its station begin anew; a shift only stands on the time line."""

MOST_OF_TEXT = 500
"""Most characters of a note."""

MOST_AT_ONCE = 500
"""Most alarms or marks that are listed."""


@dataclass(frozen=True, slots=True)
class MovedFact:
    """A fact that speaks for an alarm.

    Attributes:
        fact: its name.
        side: to which it has moved, low or high.
        share: of the evidence.
        usual: its median over the calibration; over those like the pictures since, where they lie
            on the other side of that.
        now: its median since the change, as far as it was seen with the alarm.
    """

    fact: str
    side: str
    share: float
    usual: float
    now: float


@dataclass(frozen=True, slots=True)
class StoredAlarm:
    """An alarm of the record.

    Attributes:
        id: its number; 0 before it has one.
        model: whose pictures they are.
        version: of the model.
        station: where they were taken; empty for none.
        cause: camera: camera or light have changed. defects: there are more defects. promise: the
            model rejects more than it promises.
        moved: what speaks for it, as `explaining_first` has it.
        since_id: the inspection from which on it seems to have begun.
        since_us: when that was, in µs of Unix time.
        raised_id: the inspection that told.
        raised_us: when that was.
        ended_us: when it ended; None while it stands.
        acknowledged_us: when somebody took note of it.
        acknowledged_by: who did.
        note: what they said.
        snoozed_until_us: until when nobody wants to hear of it.
    """

    id: int
    model: str
    version: str
    station: str
    cause: AlarmCause
    moved: tuple[MovedFact, ...]
    since_id: int
    since_us: int
    raised_id: int
    raised_us: int
    ended_us: int | None = None
    acknowledged_us: int | None = None
    acknowledged_by: str | None = None
    note: str | None = None
    snoozed_until_us: int | None = None

    def calls(self, now_us: int) -> bool:
        """Whether somebody should look at it now: it stands, and nobody has taken note of it."""
        snoozed = self.snoozed_until_us is not None and now_us < self.snoozed_until_us
        return self.ended_us is None and self.acknowledged_us is None and not snoozed


@dataclass(frozen=True, slots=True)
class Mark:
    """What somebody did at a line.

    Attributes:
        id: its number.
        at_us: when, in µs of Unix time.
        station: where; empty for all stations.
        kind: what it was.
        note: what they said of it.
        who: did it.
        inspection_id: the newest inspection then.
    """

    id: int
    at_us: int
    station: str
    kind: MarkKind
    note: str
    who: str
    inspection_id: int


def alarms_of(
    connection: Connection,
    *,
    model: str | None = None,
    station: str | None = None,
    standing: bool = False,
    limit: int = 100,
) -> tuple[StoredAlarm, ...]:
    """Alarms, the latest first.

    Args:
        connection: for reading.
        model: of this model alone.
        station: of this station alone.
        standing: only those that have not ended.
        limit: most of them.
    """
    query = select(alarms).order_by(alarms.c.id.desc()).limit(min(limit, MOST_AT_ONCE))
    if model is not None:
        query = query.where(alarms.c.model == model)
    if station is not None:
        query = query.where(alarms.c.station == station)
    if standing:
        query = query.where(alarms.c.ended_us.is_(None))
    return tuple(_alarm(row) for row in connection.execute(query))


def alarm_of(connection: Connection, id: int) -> StoredAlarm:
    """One alarm.

    Raises:
        AlarmNotFoundError: there is none of that number.
    """
    row = connection.execute(select(alarms).where(alarms.c.id == id)).one_or_none()
    if row is None:
        raise AlarmNotFoundError(f"there is no alarm {id}; GET /v1/watch/alarms lists them")
    return _alarm(row)


def acknowledge(
    database: Database, id: int, *, who: str, note: str | None, client: str | None
) -> StoredAlarm:
    """Note that somebody has taken note of an alarm; what is said later replaces it.

    Raises:
        AlarmNotFoundError: there is none of that number.
        RecordError: the database cannot be written.
    """
    values = {"acknowledged_us": now_us(), "acknowledged_by": who, "note": note}
    change = Change(who, "alarm_acknowledged", reason=note, client=client)
    return _changed(database, id, values, change)


def snooze(
    database: Database, id: int, *, until_us: int, who: str, client: str | None
) -> StoredAlarm:
    """Let an alarm call nobody until a time.

    Raises:
        AlarmNotFoundError: there is none of that number.
        RecordError: the database cannot be written.
    """
    change = Change(who, "alarm_snoozed", client=client)
    return _changed(database, id, {"snoozed_until_us": until_us}, change)


def _changed(database: Database, id: int, values: Mapping[str, Any], change: Change) -> StoredAlarm:
    with database.writing(durable=True) as connection:
        before = alarm_of(connection, id)
        connection.execute(update(alarms).where(alarms.c.id == id).values(**values))
        told = {name: values[name] for name in values if name.endswith("until_us")}
        (entry,) = append(
            connection,
            replace(
                change,
                model=before.model,
                version=before.version,
                new={"alarm": id, "cause": before.cause, "station": before.station, **told},
            ),
        )
        after = alarm_of(connection, id)
    tell_stored(database, entry)
    return after


def add_mark(
    database: Database, kind: MarkKind, *, station: str, note: str, who: str, client: str | None
) -> Mark:
    """Mark this moment on the time line.

    Raises:
        RecordError: the database cannot be written.
    """
    with database.writing(durable=True) as connection:
        newest: int = connection.scalar(select(func.max(inspections.c.id))) or 0
        at_us = now_us()
        unnumbered = Mark(0, at_us, station, kind, note, who, newest)
        row = asdict(unnumbered)
        del row["id"]
        done = connection.execute(insert(marks), row)
        assert done.inserted_primary_key is not None
        mark = replace(unnumbered, id=done.inserted_primary_key[0])
        told = {"mark": mark.id, "kind": kind, "station": station}
        change = Change(who, "line_marked", new=told, reason=note or None, client=client)
        (entry,) = append(connection, change)
    tell_stored(database, entry)
    return mark


def marks_of(
    connection: Connection, *, station: str | None = None, limit: int = 100
) -> tuple[Mark, ...]:
    """Marks, the latest first; with those of all stations."""
    query = select(marks).order_by(marks.c.id.desc()).limit(min(limit, MOST_AT_ONCE))
    if station is not None:
        query = query.where(marks.c.station.in_(("", station)))
    return tuple(Mark(**row._mapping) for row in connection.execute(query))


def marks_after(connection: Connection, id: int) -> tuple[Mark, ...]:
    """Marks after a number, the earliest first."""
    query = select(marks).where(marks.c.id > id).order_by(marks.c.id)
    return tuple(Mark(**row._mapping) for row in connection.execute(query))


def _alarm(row: Row[Any]) -> StoredAlarm:
    values = row._asdict()
    moved = [MovedFact(**one) for one in json.loads(values.pop("what"))]
    return StoredAlarm(moved=explaining_first(moved), **values)
