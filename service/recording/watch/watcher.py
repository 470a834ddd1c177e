"""The watch of a record: reads what is new, has the tests see it, and keeps what they find.

One process of a server watches, the one that leads, so that a stream is one whichever worker has
answered its pictures. How far it has come, what the tests remember and what they have found are
written in one transaction: whoever goes on after a kill finds all three as they belong together,
and no alarm is lost or raised twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final, cast

import numpy as np
from sqlalchemy import Connection, Row, and_, delete, func, insert, select, update

from service.recording.database import Database
from service.recording.search.feed import settled_end
from service.recording.tables import alarms, inspections, sources, watch_progress, watched
from service.recording.watch.alarms import Mark, marks_after, what_of
from service.recording.watch.known import KnownBundle, KnownOf, stored_facts, watched_of
from service.recording.watch.streams import (
    PictureStream,
    RejectStream,
    Seen,
    Stream,
    StreamEvent,
    StreamKey,
    StreamOver,
    StreamRaised,
)

AT_ONCE: Final = 5000
"""Most inspections of one turn."""


@dataclass(frozen=True, slots=True)
class WatchTurn:
    """What a turn has done.

    Attributes:
        seen: number of inspections that it went through.
        raised: number of alarms.
        more: whether there is more to go through by now.
    """

    seen: int
    raised: int
    more: bool


@dataclass(slots=True)
class _Watched:
    """A stream in memory, as the record has it or as this turn has changed it."""

    stream: Stream
    version: str
    digest: str
    seen: int


@dataclass(frozen=True, slots=True)
class _Happened:
    """An event of a stream, with the pictures that it saw."""

    key: StreamKey
    held: _Watched
    seen: Seen
    event: StreamEvent


@dataclass(frozen=True, slots=True)
class _Begun:
    """A stream that began anew, at a time in µs: whatever stood until then has ended."""

    key: StreamKey
    at_us: int


@dataclass(slots=True)
class _Changes:
    """What a turn is going to write; what happened, in its order."""

    position: int
    mark: int
    touched: dict[StreamKey, _Watched] = field(default_factory=dict)
    happened: list[_Happened | _Begun] = field(default_factory=list)


class RecordWatcher:
    """Watches a record; used by one thread at a time.

    Args:
        database: of the record.
        known_of: gives what bundles say.
    """

    def __init__(self, database: Database, known_of: KnownOf) -> None:
        self._database = database
        self._known_of = known_of
        self._known: dict[str, KnownBundle | None] = {}
        self._streams: dict[StreamKey, _Watched] = {}
        self._at: tuple[int, int] | None = None

    def turn(self) -> WatchTurn:
        """Go through what is new, as far as one turn goes.

        Raises:
            RecordError: the database does not answer; the next turn begins where this one did.
        """
        try:
            return self._turn()
        except BaseException:
            # What is in memory may be ahead of the record now.
            self._streams, self._at = {}, None
            raise

    def _turn(self) -> WatchTurn:
        with self._database.reading() as connection:
            at = _progress(connection)
            if at is None:
                at = (settled_end(connection), 0)
                self._begin(at)
            if at != self._at:
                self._streams, self._at = {}, at
            rows, end, more = _new_rows(connection, at[0])
            marks = [one for one in marks_after(connection, at[1]) if one.inspection_id <= end]
            changes = _Changes(end, marks[-1].id if marks else at[1])
            for some, mark in _between(rows, marks):
                self._see(connection, some, changes)
                if mark is not None:
                    self._restart(connection, mark, changes)
        if (changes.position, changes.mark) != at:
            with self._database.writing() as connection:
                _write(connection, changes)
            self._at = (changes.position, changes.mark)
        raised = sum(
            isinstance(one, _Happened) and isinstance(one.event, StreamRaised)
            for one in changes.happened
        )
        return WatchTurn(len(rows), raised, more)

    def _begin(self, at: tuple[int, int]) -> None:
        with self._database.writing() as connection:
            values = {"id": 1, "inspection_id": at[0], "mark_id": at[1]}
            connection.execute(insert(watch_progress), values)

    def _see(self, connection: Connection, rows: Sequence[Row[Any]], changes: _Changes) -> None:
        by_bundle = groupby(
            sorted(rows, key=lambda row: (row.model, row.digest)),
            key=lambda row: (row.model, row.version, row.digest),
        )
        for (model, version, digest), of_bundle in by_bundle:
            known = self._bundle(model, version, digest)
            if known is None:
                continue
            some = sorted(of_bundle, key=lambda row: row.id)
            if known.calibration is not None:
                for station, of_station in groupby(
                    sorted(some, key=lambda row: (row.station or "", row.id)),
                    key=lambda row: row.station or "",
                ):
                    with_facts = [row for row in of_station if row.facts is not None]
                    key = StreamKey("stream", model, station)
                    self._feed(connection, key, version, digest, known, with_facts, changes)
            own = [row for row in some if _by_own_thresholds(row, known)]
            key = StreamKey("promise", model, "")
            self._feed(connection, key, version, digest, known, own, changes)

    def _feed(
        self,
        connection: Connection,
        key: StreamKey,
        version: str,
        digest: str,
        known: KnownBundle,
        rows: Sequence[Row[Any]],
        changes: _Changes,
    ) -> None:
        if not rows:
            return
        held = self._stream(connection, key)
        if held is None or held.digest != digest:
            if held is not None:
                changes.happened.append(_Begun(key, rows[0].at_us))
            held = _Watched(_new_stream(key, known), version, digest, 0)
            self._streams[key] = held
        seen = _seen(rows)
        for event in held.stream.see(seen):
            changes.happened.append(_Happened(key, held, seen, event))
        held.seen += len(seen)
        changes.touched[key] = held

    def _restart(self, connection: Connection, mark: Mark, changes: _Changes) -> None:
        """Begin anew after maintenance; what stood until then has ended."""
        if mark.kind != "maintenance":
            return
        query = select(watched.c.model, watched.c.station).where(watched.c.kind == "stream")
        keys = {StreamKey("stream", *row) for row in connection.execute(query)}
        for key in keys | {key for key in self._streams if key.kind == "stream"}:
            if mark.station in ("", key.station) and (held := self._stream(connection, key)):
                held.stream.restart()
                changes.touched[key] = held
                changes.happened.append(_Begun(key, mark.at_us))

    def _stream(self, connection: Connection, key: StreamKey) -> _Watched | None:
        """A stream as it was left; None where there is none, or its bundle is gone."""
        if key in self._streams:
            return self._streams[key]
        row = connection.execute(
            select(watched.c.version, watched.c.digest, watched.c.seen, watched.c.state).where(
                watched.c.kind == key.kind,
                watched.c.model == key.model,
                watched.c.station == key.station,
            )
        ).one_or_none()
        if row is None:
            return None
        known = self._bundle(key.model, row.version, row.digest)
        if known is None or (key.kind == "stream" and known.calibration is None):
            return None
        held = _Watched(_new_stream(key, known), row.version, row.digest, row.seen)
        held.stream.resume(row.state)
        self._streams[key] = held
        return held

    def _bundle(self, model: str, version: str, digest: str) -> KnownBundle | None:
        if digest not in self._known:
            self._known[digest] = self._known_of(model, version, digest)
        return self._known[digest]


def _new_stream(key: StreamKey, known: KnownBundle) -> Stream:
    if key.kind == "promise":
        return RejectStream(known.promised)
    assert known.facts is not None and known.calibration is not None
    usual = np.nanmedian(watched_of(known.facts.table), axis=0)
    return PictureStream(known.calibration, usual)


def _progress(connection: Connection) -> tuple[int, int] | None:
    row = connection.execute(
        select(watch_progress.c.inspection_id, watch_progress.c.mark_id)
    ).one_or_none()
    return None if row is None else (row.inspection_id, row.mark_id)


def _new_rows(connection: Connection, after: int) -> tuple[Sequence[Row[Any]], int, bool]:
    """Inspections after a number, the number up to which they go, and whether there are more."""
    end = settled_end(connection)
    if end <= after:
        return [], after, False
    rows = connection.execute(
        select(
            inspections.c.id,
            inspections.c.at_us,
            inspections.c.model,
            inspections.c.version,
            inspections.c.station,
            inspections.c.anomalous,
            inspections.c.threshold,
            inspections.c.pixel_threshold,
            inspections.c.facts,
            sources.c.digest,
        )
        .join(sources, inspections.c.source_id == sources.c.id)
        .where(inspections.c.id > after, inspections.c.id <= end)
        .order_by(inspections.c.id)
        .limit(AT_ONCE)
    ).all()
    reached = int(rows[-1].id) if len(rows) == AT_ONCE else end
    return cast("Sequence[Row[Any]]", rows), reached, reached < end


def _between(
    rows: Sequence[Row[Any]], marks: Sequence[Mark]
) -> Iterator[tuple[Sequence[Row[Any]], Mark | None]]:
    """The rows up to each mark, with it, and then those after the last one."""
    start = 0
    for mark in marks:
        end = start
        while end < len(rows) and rows[end].id <= mark.inspection_id:
            end += 1
        yield rows[start:end], mark
        start = end
    yield rows[start:], None


def _by_own_thresholds(row: Row[Any], known: KnownBundle) -> bool:
    own = known.thresholds
    return bool(np.isclose(row.threshold, own.image) and np.isclose(row.pixel_threshold, own.pixel))


def _seen(rows: Sequence[Row[Any]]) -> Seen:
    return Seen(
        np.array([row.id for row in rows], np.int64),
        np.array([row.at_us for row in rows], np.int64),
        watched_of(np.stack([stored_facts(row.facts or b"") for row in rows])),
        np.array([row.anomalous for row in rows], np.bool_),
    )


def _write(connection: Connection, changes: _Changes) -> None:
    for one in changes.happened:
        if isinstance(one, _Begun):
            connection.execute(update(alarms).where(_standing(one.key)).values(ended_us=one.at_us))
        elif isinstance(one.event, StreamOver):
            connection.execute(
                update(alarms)
                .where(_standing(one.key), alarms.c.cause == one.event.cause)
                .values(ended_us=int(one.seen.at_us[one.event.at]))
            )
        else:
            connection.execute(insert(alarms), _alarm_row(connection, one, one.event))
    for key, held in changes.touched.items():
        at = and_(
            watched.c.kind == key.kind,
            watched.c.model == key.model,
            watched.c.station == key.station,
        )
        connection.execute(delete(watched).where(at))
        connection.execute(
            insert(watched),
            {
                "kind": key.kind,
                "model": key.model,
                "station": key.station,
                "version": held.version,
                "digest": held.digest,
                "seen": held.seen,
                "state": held.stream.state(),
            },
        )
    connection.execute(
        update(watch_progress).values(inspection_id=changes.position, mark_id=changes.mark)
    )


def _standing(key: StreamKey) -> Any:
    of_promise = alarms.c.cause == "promise"
    return and_(
        alarms.c.model == key.model,
        alarms.c.station == key.station,
        of_promise if key.kind == "promise" else ~of_promise,
        alarms.c.ended_us.is_(None),
    )


def _alarm_row(connection: Connection, one: _Happened, event: StreamRaised) -> Mapping[str, Any]:
    key, held, seen = one.key, one.held, one.seen
    raised_id, raised_us = int(seen.ids[event.at]), int(seen.at_us[event.at])
    first = event.at - event.back
    since = (int(seen.ids[first]), int(seen.at_us[first])) if first >= 0 else None
    since = since or _earlier(connection, key, held, int(seen.ids[0]), -first)
    since_id, since_us = since or (int(seen.ids[0]), int(seen.at_us[0]))
    return {
        "model": key.model,
        "version": held.version,
        "station": key.station,
        "cause": event.cause,
        "what": what_of(event.moved),
        "since_id": since_id,
        "since_us": since_us,
        "raised_id": raised_id,
        "raised_us": raised_us,
    }


def _earlier(
    connection: Connection, key: StreamKey, held: _Watched, before: int, back: int
) -> tuple[int, int] | None:
    """Number and time of the picture of a stream that came so many before another."""
    station = inspections.c.station
    where = [
        inspections.c.model == key.model,
        inspections.c.version == held.version,
        inspections.c.id < before,
        sources.c.digest == held.digest,
    ]
    if key.kind == "stream":
        where += [
            inspections.c.facts.is_not(None),
            func.coalesce(station, "") == key.station,
        ]
    row = connection.execute(
        select(inspections.c.id, inspections.c.at_us)
        .join(sources, inspections.c.source_id == sources.c.id)
        .where(*where)
        .order_by(inspections.c.id.desc())
        .offset(back - 1)
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.id, row.at_us)
