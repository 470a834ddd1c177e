"""Where a watch keeps how far it has come, what its tests remember, and what they found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from takt.recording.database import Database
from takt.recording.search.feed import settled_end
from takt.recording.tables import alarms, watch_progress, watched
from takt.recording.watch.alarms import AlarmCause, StoredAlarm
from takt.recording.watch.streams import StreamKey

CAUGHT_UP: Final = 10_000
"""Inspections from before that a watch sees as it begins, so that no long record holds it up."""


@dataclass(frozen=True, slots=True)
class WatchPosition:
    """The numbers up to which every inspection and every mark was seen."""

    inspection_id: int
    mark_id: int


@dataclass(frozen=True, slots=True)
class KeptStream:
    """A stream as it was left.

    Attributes:
        key: tells it from others.
        version: of the bundle that it is held against.
        digest: of that bundle.
        seen: number of pictures since then.
        state: what its tests remember.
    """

    key: StreamKey
    version: str
    digest: str
    seen: int
    state: bytes


@dataclass(frozen=True, slots=True)
class AlarmsEnd:
    """The end, at a time in µs, of a stream's alarms of one cause, or of all if it is None."""

    key: StreamKey
    cause: AlarmCause | None
    at_us: int

    def ends(self, alarm: StoredAlarm) -> bool:
        """Whether an alarm is one of these."""
        return (
            alarm.ended_us is None
            and (alarm.model, alarm.station) == (self.key.model, self.key.station)
            and (alarm.cause == "promise") == (self.key.kind == "promise")
            and self.cause in (None, alarm.cause)
        )


@dataclass(frozen=True, slots=True)
class WatchChanges:
    """What a turn has made of a watch.

    Attributes:
        before: position that it began at.
        position: that it has come to.
        streams: those that have seen something.
        happened: in the order in which it did.
        gone: streams that are no more, as a version answers that nobody can watch.
    """

    before: WatchPosition
    position: WatchPosition
    streams: Sequence[KeptStream]
    happened: Sequence[StoredAlarm | AlarmsEnd]
    gone: Sequence[StreamKey] = ()


class RecordStore:
    """Keeps a watch in the record itself.

    Args:
        database: of the record.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def position(self, connection: Connection) -> WatchPosition:
        """How far it has come; one that begins takes the latest inspections that are there."""
        columns = watch_progress.c
        row = connection.execute(select(columns.inspection_id, columns.mark_id)).one_or_none()
        if row is not None:
            return WatchPosition(row.inspection_id, row.mark_id)
        began = max(0, settled_end(connection) - CAUGHT_UP)
        begun = {"id": 1, "began_id": began, "inspection_id": began, "mark_id": 0}
        with self._database.writing() as writing:
            writing.execute(insert(watch_progress), begun)
        return WatchPosition(began, 0)

    def keys(self, connection: Connection) -> set[StreamKey]:
        """The streams that there are."""
        return watched_keys(connection)

    def stream(self, connection: Connection, key: StreamKey) -> KeptStream | None:
        """A stream as it was left; None where there is none."""
        columns = (watched.c.version, watched.c.digest, watched.c.seen, watched.c.state)
        row = connection.execute(select(*columns).where(_row_of(key))).one_or_none()
        return None if row is None else KeptStream(key, *row)

    def write(self, changes: WatchChanges) -> bool:
        """Keep what a turn has made of it: all of it, or nothing.

        Returns:
            Whether it is kept: another server on the record may have gone on from where it began.

        Raises:
            RecordError: the database cannot be written.
        """
        before, columns = changes.before, watch_progress.c
        with self._database.writing() as connection:
            went_on = connection.execute(
                update(watch_progress)
                .where(columns.inspection_id == before.inspection_id)
                .where(columns.mark_id == before.mark_id)
                .values(**asdict(changes.position))
            )
            if not went_on.rowcount:
                return False
            for one in changes.happened:
                if isinstance(one, AlarmsEnd):
                    ended = update(alarms).where(_standing(one)).values(ended_us=one.at_us)
                    connection.execute(ended)
                else:
                    connection.execute(insert(alarms), _alarm_row(one))
            for key in changes.gone:
                connection.execute(delete(watched).where(_row_of(key)))
            for stream in changes.streams:
                connection.execute(delete(watched).where(_row_of(stream.key)))
                connection.execute(
                    insert(watched),
                    {
                        **asdict(stream.key),
                        "version": stream.version,
                        "digest": stream.digest,
                        "seen": stream.seen,
                        "state": stream.state,
                    },
                )
        return True


class ReplayStore:
    """Keeps a watch in memory: what would be found if it began anew.

    Args:
        begins: where it does.

    Attributes:
        alarms: what was found, the earliest first; numbered from 1.
    """

    def __init__(self, begins: WatchPosition) -> None:
        self._position = begins
        self._streams: dict[StreamKey, KeptStream] = {}
        self.alarms: list[StoredAlarm] = []

    def position(self, connection: Connection) -> WatchPosition:
        """As `RecordStore` does."""
        return self._position

    def keys(self, connection: Connection) -> set[StreamKey]:
        """As `RecordStore` does."""
        return set(self._streams)

    def stream(self, connection: Connection, key: StreamKey) -> KeptStream | None:
        """As `RecordStore` does."""
        return self._streams.get(key)

    def write(self, changes: WatchChanges) -> bool:
        """As `RecordStore` does; nobody else goes on with it."""
        for one in changes.happened:
            if isinstance(one, AlarmsEnd):
                self.alarms = [
                    replace(alarm, ended_us=one.at_us) if one.ends(alarm) else alarm
                    for alarm in self.alarms
                ]
            else:
                self.alarms.append(replace(one, id=len(self.alarms) + 1))
        for key in changes.gone:
            self._streams.pop(key, None)
        self._streams |= {stream.key: stream for stream in changes.streams}
        self._position = changes.position
        return True


def watched_keys(connection: Connection) -> set[StreamKey]:
    """The streams that a record is watched for."""
    rows = connection.execute(select(watched.c.kind, watched.c.model, watched.c.station))
    return {StreamKey(*row) for row in rows}


def replay_begins(connection: Connection) -> WatchPosition:
    """Where the watch of a record began: with the first inspection, if there was none yet."""
    began = connection.scalar(select(watch_progress.c.began_id))
    return WatchPosition(began or 0, 0)


def _row_of(key: StreamKey) -> ColumnElement[bool]:
    return and_(
        watched.c.kind == key.kind,
        watched.c.model == key.model,
        watched.c.station == key.station,
    )


def _standing(end: AlarmsEnd) -> ColumnElement[bool]:
    """As `AlarmsEnd.ends`, for the database."""
    of_promise = alarms.c.cause == "promise"
    found = and_(
        alarms.c.model == end.key.model,
        alarms.c.station == end.key.station,
        of_promise if end.key.kind == "promise" else ~of_promise,
        alarms.c.ended_us.is_(None),
    )
    return found if end.cause is None else and_(found, alarms.c.cause == end.cause)


def _alarm_row(new: StoredAlarm) -> dict[str, Any]:
    """The row of an alarm that has no number yet."""
    row = asdict(new)
    del row["id"]
    return row | {"what": json.dumps(row.pop("moved"))}


WatchStore = RecordStore | ReplayStore
