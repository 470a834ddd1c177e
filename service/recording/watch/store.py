"""Where a watch keeps how far it has come, what its tests remember, and what they found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from service.recording.database import Database
from service.recording.search.feed import settled_end
from service.recording.tables import alarms, watch_progress, watched
from service.recording.watch.alarms import AlarmCause, MovedFact, StoredAlarm, what_of
from service.recording.watch.streams import StreamKey

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
class NewAlarm:
    """An alarm of a stream, before it has a number."""

    key: StreamKey
    version: str
    cause: AlarmCause
    moved: tuple[MovedFact, ...]
    since_id: int
    since_us: int
    raised_id: int
    raised_us: int


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
        position: that it has come to.
        streams: those that have seen something.
        happened: in the order in which it did.
    """

    position: WatchPosition
    streams: Sequence[KeptStream]
    happened: Sequence[NewAlarm | AlarmsEnd]


class WatchStore(Protocol):
    """Keeps a watch."""

    def position(self, connection: Connection) -> WatchPosition:
        """How far it has come; one that begins takes the latest inspections that are there."""

    def keys(self, connection: Connection) -> set[StreamKey]:
        """The streams that there are."""

    def stream(self, connection: Connection, key: StreamKey) -> KeptStream | None:
        """A stream as it was left; None where there is none."""

    def write(self, changes: WatchChanges) -> None:
        """Keep what a turn has made of it: all of it, or nothing.

        Raises:
            RecordError: the database cannot be written.
        """


class RecordStore:
    """Keeps a watch in the record itself.

    Args:
        database: of the record.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def position(self, connection: Connection) -> WatchPosition:
        """See `WatchStore`."""
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
        """See `WatchStore`."""
        return watched_keys(connection)

    def stream(self, connection: Connection, key: StreamKey) -> KeptStream | None:
        """See `WatchStore`."""
        columns = (watched.c.version, watched.c.digest, watched.c.seen, watched.c.state)
        row = connection.execute(select(*columns).where(_row_of(key))).one_or_none()
        return None if row is None else KeptStream(key, *row)

    def write(self, changes: WatchChanges) -> None:
        """See `WatchStore`."""
        with self._database.writing() as connection:
            for one in changes.happened:
                if isinstance(one, AlarmsEnd):
                    ended = update(alarms).where(_standing(one)).values(ended_us=one.at_us)
                    connection.execute(ended)
                else:
                    connection.execute(insert(alarms), _alarm_row(one))
            for stream in changes.streams:
                connection.execute(delete(watched).where(_row_of(stream.key)))
                connection.execute(
                    insert(watched),
                    {
                        "kind": stream.key.kind,
                        "model": stream.key.model,
                        "station": stream.key.station,
                        "version": stream.version,
                        "digest": stream.digest,
                        "seen": stream.seen,
                        "state": stream.state,
                    },
                )
            position = changes.position
            connection.execute(
                update(watch_progress).values(
                    inspection_id=position.inspection_id, mark_id=position.mark_id
                )
            )


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
        """See `WatchStore`."""
        return self._position

    def keys(self, connection: Connection) -> set[StreamKey]:
        """See `WatchStore`."""
        return set(self._streams)

    def stream(self, connection: Connection, key: StreamKey) -> KeptStream | None:
        """See `WatchStore`."""
        return self._streams.get(key)

    def write(self, changes: WatchChanges) -> None:
        """See `WatchStore`."""
        for one in changes.happened:
            if isinstance(one, AlarmsEnd):
                self.alarms = [
                    replace(alarm, ended_us=one.at_us) if one.ends(alarm) else alarm
                    for alarm in self.alarms
                ]
            else:
                self.alarms.append(_as_stored(one, len(self.alarms) + 1))
        self._streams |= {stream.key: stream for stream in changes.streams}
        self._position = changes.position


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


def _alarm_row(new: NewAlarm) -> dict[str, Any]:
    return {
        "model": new.key.model,
        "version": new.version,
        "station": new.key.station,
        "cause": new.cause,
        "what": what_of(new.moved),
        "since_id": new.since_id,
        "since_us": new.since_us,
        "raised_id": new.raised_id,
        "raised_us": new.raised_us,
    }


def _as_stored(new: NewAlarm, number: int) -> StoredAlarm:
    return StoredAlarm(
        id=number,
        model=new.key.model,
        version=new.version,
        station=new.key.station,
        cause=new.cause,
        moved=new.moved,
        since_id=new.since_id,
        since_us=new.since_us,
        raised_id=new.raised_id,
        raised_us=new.raised_us,
        ended_us=None,
        acknowledged_us=None,
        acknowledged_by=None,
        note=None,
        snoozed_until_us=None,
    )
