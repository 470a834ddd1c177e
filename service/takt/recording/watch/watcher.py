"""The watch of a record: reads what is new, has the tests see it, and keeps what they find.

One process of a server watches, the one that leads, so that a stream is one whichever worker has
answered its pictures. How far it has come, what the tests remember and what they have found are
written in one transaction: whoever goes on after a kill finds all three as they belong together,
and no alarm is lost or raised twice. Of several servers on one record each watches, and a turn
counts for whoever was the first to write it.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Row, func, select

from takt.recording.database import Database
from takt.recording.search.feed import settled_end
from takt.recording.tables import inspections, sources
from takt.recording.watch.alarms import Mark, MovedFact, StoredAlarm, marks_after
from takt.recording.watch.known import (
    WATCHED,
    KnownBundle,
    KnownOf,
    stored_facts,
    watched_of,
)
from takt.recording.watch.store import (
    AlarmsEnd,
    KeptStream,
    RecordStore,
    WatchChanges,
    WatchPosition,
    WatchStore,
)
from takt.recording.watch.streams import (
    PictureStream,
    RejectStream,
    Seen,
    Stream,
    StreamKey,
    StreamOver,
    StreamRaised,
)

AT_ONCE: Final = 5000
"""Most inspections of one turn."""

_MOST_SINCE: Final = 500
"""Most pictures since a change of which an alarm has the medians."""

_MOST_PASSED_OVER: Final = 100
"""Pictures in a row of another version than the stream's are not tried any more beyond so many: a
line may name its version."""

WasActive = Callable[[str, str, int], bool]


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
    """A stream in memory, as it was left or as this turn has changed it.

    Attributes:
        active: whether its version was the active one at any of its pictures, which it is not where
            a line names its version; None where none was seen since it was left.
    """

    stream: Stream
    version: str
    digest: str
    seen: int
    active: bool | None = None


@dataclass(slots=True)
class _Turn:
    """What a turn has made of the watch so far; a stream that is no more is None."""

    connection: Connection
    touched: dict[StreamKey, _Watched | None] = field(default_factory=dict)
    happened: list[StoredAlarm | AlarmsEnd] = field(default_factory=list)

    def changes(self, before: WatchPosition, position: WatchPosition) -> WatchChanges:
        """All of it, at its end."""
        streams = [
            KeptStream(key, held.version, held.digest, held.seen, held.stream.state())
            for key, held in self.touched.items()
            if held is not None
        ]
        gone = [key for key, held in self.touched.items() if held is None]
        return WatchChanges(before, position, streams, self.happened, gone)


class RecordWatcher:
    """Watches a record; used by one thread at a time.

    Args:
        database: of the record.
        known_of: gives what bundles say.
        store: keeps the watch; the record itself if None.
        was_active: whether a version answered where a request named none, by model, version and a
            time in µs; where one does no longer, a stream of it goes over to what answers.
    """

    def __init__(
        self,
        database: Database,
        known_of: KnownOf,
        store: WatchStore | None = None,
        was_active: WasActive = lambda model, version, at_us: False,
    ) -> None:
        self._database = database
        self._known_of = known_of
        self._was_active = was_active
        self._store = store or RecordStore(database)
        self._streams: dict[StreamKey, _Watched | None] = {}
        # By stream: pictures of other versions since the last one of its own.
        self._passed_over: dict[StreamKey, int] = {}
        self._at: WatchPosition | None = None

    def turn(self) -> WatchTurn:
        """Go through what is new, as far as one turn goes.

        Raises:
            RecordError: the database does not answer; the next turn begins where this one did.
        """
        try:
            return self._turn()
        except BaseException:
            self._forget()
            raise

    def _turn(self) -> WatchTurn:
        with self._database.reading() as connection:
            at = self._store.position(connection)
            if at != self._at:
                self._streams, self._at = {}, at
            rows, end, more = _new_rows(connection, at.inspection_id)
            marks = [one for one in marks_after(connection, at.mark_id) if one.inspection_id <= end]
            turn = _Turn(connection)
            for some, mark in _between(rows, marks):
                self._see(some, turn)
                if mark is not None:
                    self._restart(mark, turn)
        position = WatchPosition(end, marks[-1].id if marks else at.mark_id)
        if position != at:
            if not self._store.write(turn.changes(at, position)):
                self._forget()
                return WatchTurn(0, 0, True)
            self._at = position
        raised = sum(isinstance(one, StoredAlarm) for one in turn.happened)
        return WatchTurn(len(rows), raised, more)

    def _forget(self) -> None:
        """Begin the next turn with what is kept, as what is in memory may be ahead of it."""
        self._streams, self._passed_over, self._at = {}, {}, None

    def _see(self, rows: Sequence[Row[Any]], turn: _Turn) -> None:
        streams: defaultdict[StreamKey, list[Row[Any]]] = defaultdict(list)
        for row in rows:
            known = self._known_of(row.model, row.version, row.digest)
            if known is None:
                continue
            if known.calibration is None or row.facts is not None:
                streams[StreamKey("stream", row.model, row.station or "")].append(row)
            if _is_promised(row, known):
                streams[StreamKey("promise", row.model, "")].append(row)
        for key, of_stream in streams.items():
            for (version, digest), some in groupby(
                of_stream, key=lambda row: (row.version, row.digest)
            ):
                known = self._known_of(key.model, version, digest)
                if known is not None:
                    self._feed(key, known, list(some), turn)

    def _feed(
        self, key: StreamKey, known: KnownBundle, rows: Sequence[Row[Any]], turn: _Turn
    ) -> None:
        version, digest = rows[0].version, rows[0].digest
        held = self._stream(turn.connection, key)
        if held is None or held.version == version:
            self._passed_over.pop(key, None)
        elif not (rows := self._that_go_over(key, held, rows)):
            return
        if held is None or held.digest != digest:
            if held is not None:
                turn.happened.append(AlarmsEnd(key, None, rows[0].at_us))
            if key.kind == "stream" and known.calibration is None:
                if held is not None:
                    self._streams[key] = turn.touched[key] = None
                return
            held = self._streams[key] = _Watched(_new_stream(key, known), version, digest, 0)
        held.active = held.active or self._was_active(key.model, version, rows[0].at_us)
        seen = _seen(rows)
        for event in held.stream.see(seen):
            if isinstance(event, StreamOver):
                turn.happened.append(AlarmsEnd(key, event.cause, int(seen.at_us[event.at])))
            else:
                turn.happened.append(_alarm(turn.connection, key, held, seen, event, known))
        held.seen += len(seen)
        turn.touched[key] = held

    def _that_go_over(
        self, key: StreamKey, held: _Watched, rows: Sequence[Row[Any]]
    ) -> Sequence[Row[Any]]:
        """Those of another version's pictures with which a stream goes over to it.

        One with which somebody tries a version ends nothing that was found of the stream's own.
        """
        for place, row in enumerate(rows):
            passed_over = self._passed_over.get(key, 0)
            # By an activation; a version that was not active before is one that the line names.
            replaced = held.active is not False and not self._was_active(
                key.model, held.version, row.at_us
            )
            if replaced or passed_over == _MOST_PASSED_OVER:
                self._passed_over.pop(key, None)
                return rows[place:]
            self._passed_over[key] = passed_over + 1
        return ()

    def _restart(self, mark: Mark, turn: _Turn) -> None:
        """Begin anew after maintenance; what stood until then has ended."""
        if mark.kind != "maintenance":
            return
        for key in {*self._store.keys(turn.connection), *self._streams}:
            if key.kind != "stream" or mark.station not in ("", key.station):
                continue
            held = self._stream(turn.connection, key)
            if held is not None:
                held.stream.restart()
                turn.touched[key] = held
                turn.happened.append(AlarmsEnd(key, None, mark.at_us))

    def _stream(self, connection: Connection, key: StreamKey) -> _Watched | None:
        """A stream as it was left; None where there is none, or its bundle is gone."""
        if key in self._streams:
            return self._streams[key]
        kept = self._store.stream(connection, key)
        if kept is None:
            return None
        known = self._known_of(key.model, kept.version, kept.digest)
        if known is None or (key.kind == "stream" and known.calibration is None):
            return None
        held = _Watched(_new_stream(key, known), kept.version, kept.digest, kept.seen)
        held.stream.resume(kept.state)
        self._streams[key] = held
        return held


def _new_stream(key: StreamKey, known: KnownBundle) -> Stream:
    if key.kind == "promise":
        return RejectStream(known.promised)
    assert known.calibration is not None
    return PictureStream(known.calibration)


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
            inspections.c.undecided,
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


def _is_promised(row: Row[Any], known: KnownBundle) -> bool:
    """Whether a part was judged, and by the bundle's own thresholds, of which the promise is."""
    own = known.thresholds
    return (
        row.undecided is None
        and math.isclose(row.threshold, own.image, rel_tol=1e-6)
        # As the record has infinity.
        and math.isclose(row.pixel_threshold, min(own.pixel, sys.float_info.max), rel_tol=1e-6)
    )


def _seen(rows: Sequence[Row[Any]]) -> Seen:
    return Seen(
        np.array([row.id for row in rows], np.int64),
        np.array([row.at_us for row in rows], np.int64),
        watched_of(np.stack([stored_facts(row.facts or b"") for row in rows])),
        np.array([row.anomalous for row in rows], np.bool_),
    )


def _alarm(
    connection: Connection,
    key: StreamKey,
    held: _Watched,
    seen: Seen,
    event: StreamRaised,
    known: KnownBundle,
) -> StoredAlarm:
    first = event.at - event.back
    since = (int(seen.ids[first]), int(seen.at_us[first])) if first >= 0 else None
    since = since or _earlier(connection, key, held, int(seen.ids[0]), -first)
    since_id, since_us = since or (int(seen.ids[0]), int(seen.at_us[0]))
    raised_id, moved = int(seen.ids[event.at]), event.moved
    if key.kind == "stream":
        table = _since(connection, key, held, since_id, raised_id)
        moved = tuple(_with_medians(moved, known, table))
    return StoredAlarm(
        id=0,
        model=key.model,
        version=held.version,
        station=key.station,
        cause=event.cause,
        moved=moved,
        since_id=since_id,
        since_us=since_us,
        raised_id=raised_id,
        raised_us=int(seen.at_us[event.at]),
    )


def _with_medians(
    moved: Sequence[MovedFact], known: KnownBundle, table: NDArray[np.float64]
) -> Iterator[MovedFact]:
    """Facts that have moved, with what is usual and what they are in some pictures [m, watched]."""
    assert known.facts is not None and known.calibration is not None
    usual = _medians(watched_of(known.facts.table))
    now = _medians(table)
    away = _medians(known.calibration.nearest.beside(table))
    for one in moved:
        at = WATCHED.index(one.fact)
        # A batch of one kind may lie on the other side of the middle of all kinds.
        is_of_a_kind = (now[at] > usual[at]) != (one.side == "high")
        of_these = now[at] - away[at] if is_of_a_kind else usual[at]
        yield replace(one, usual=float(of_these), now=float(now[at]))


def _since(
    connection: Connection, key: StreamKey, held: _Watched, since_id: int, raised_id: int
) -> NDArray[np.float64]:
    """The facts of a stream's pictures since a change, as far as it was seen with an alarm.

    They are read, since a turn may have begun after the change.
    """
    rows = connection.execute(
        select(inspections.c.facts)
        .join(sources, inspections.c.source_id == sources.c.id)
        .where(*_of_stream(key, held), inspections.c.id.between(since_id, raised_id))
        .order_by(inspections.c.id.desc())
        .limit(_MOST_SINCE)
    ).all()
    return watched_of(np.stack([stored_facts(row.facts) for row in rows]))


def _earlier(
    connection: Connection, key: StreamKey, held: _Watched, before: int, back: int
) -> tuple[int, int] | None:
    """Number and time of the picture of a stream that came so many before another."""
    row = connection.execute(
        select(inspections.c.id, inspections.c.at_us)
        .join(sources, inspections.c.source_id == sources.c.id)
        .where(*_of_stream(key, held), inspections.c.id < before)
        .order_by(inspections.c.id.desc())
        .offset(back - 1)
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.id, row.at_us)


def _of_stream(key: StreamKey, held: _Watched) -> list[ColumnElement[bool]]:
    """What holds for the inspections of a stream."""
    where = [
        inspections.c.model == key.model,
        inspections.c.version == held.version,
        sources.c.digest == held.digest,
    ]
    if key.kind == "stream":
        station = func.coalesce(inspections.c.station, "")
        where += [inspections.c.facts.is_not(None), station == key.station]
    return where


def _medians(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each fact [d]; NaN where no picture has it, as a version from before there was such."""
    known = [column[~np.isnan(column)] for column in table.T]
    return np.array([np.median(column) if len(column) else np.nan for column in known])
