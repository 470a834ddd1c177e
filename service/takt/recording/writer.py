"""Writes inspections into the record, on a thread of its own."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Generic, NamedTuple, TypeVar

from sqlalchemy import Connection, insert, select
from sqlalchemy.sql.compiler import SQLCompiler

from takt.core.domain import RawPicture, Source
from takt.core.errors import RecordError
from takt.observing.records import AnswerRecord, Asked, PartRecord
from takt.peers import Alone, Peers
from takt.recording.clock import RecordClock, elapsed_s
from takt.recording.committing import LONGEST_S, Commit, all_stored, not_stored
from takt.recording.database import NewerRecordError, RefusedRowsError
from takt.recording.facts import Noted, Row, key_of, row_of
from takt.recording.keeping import KeepingRule
from takt.recording.kept_elsewhere import KeptElsewhere
from takt.recording.metrics import RecordMetrics
from takt.recording.multiview.parts import insert_parts, part_of
from takt.recording.pictures import Picture, PictureKey
from takt.recording.record import Record
from takt.recording.retention import Retention, RetentionRule
from takt.recording.tables import inspections, sources

EVERY_S = 0.1
"""Time between two transactions; an inspection is stored some tenth of a second after it."""

_AT_ONCE = 256
"""Most rows of one transaction."""

_AGAIN_S = 1.0
"""Time until a database that did not answer is tried again."""

_SWEEP_EVERY_S = 60.0

Waiting = TypeVar("Waiting")

logger = logging.getLogger("takt.record")


@dataclass(frozen=True, slots=True)
class Backlog:
    """Bounds of what may wait to be stored, so that a database that is away fills no memory.

    Attributes:
        rows: most inspections.
        bytes: most bytes of pictures, which wait a tenth of a second as a rule.
    """

    rows: int = 20_000
    bytes: int = 64 * 1024 * 1024


class Recorder:
    """Takes answers on the event loop, and stores them from a thread of its own.

    Nothing that goes wrong here slows an inspection or fails it: what finds no room is counted as
    lost, and a database that does not answer is tried again. Nothing waits for one whose tables are
    of a newer release, and no picture is kept without its row. Recent pictures give way to
    everything else: they are skipped while much waits, the disk is short of room or the database is
    away.

    A server whose answers wait for the record (`commit_before_answer`) has them stored by `commit`:
    what came together is one transaction, and what cannot be stored fails at once.

    Args:
        record: where to.
        keep: which pictures are kept.
        retain: how long they are.
        metrics: counts what is stored and what is lost.
        backlog: bounds of what may wait.
        every_s: time between two transactions.
        clock: gives Unix time in seconds.
        elapsed: gives seconds that nobody can set.
        peers: other workers that keep inspections in the same record; the one that leads sweeps.
        durable: whether what is stored is on the disk by then; `commit` needs it.
    """

    def __init__(
        self,
        record: Record,
        keep: KeepingRule,
        retain: RetentionRule,
        metrics: RecordMetrics,
        backlog: Backlog | None = None,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = elapsed_s,
        peers: Peers | None = None,
        durable: bool = False,
    ) -> None:
        self.record = record
        self._durable = durable
        if not (keep.recent and retain.recent_bytes):
            # What was kept as recent before it was turned off goes with the first sweep.
            keep, retain = replace(keep, recent=False), replace(retain, recent_bytes=0)
        self._keep = keep
        self._metrics = metrics
        self._backlog = backlog or Backlog()
        self._every_s = every_s
        self._clock = clock
        self._elapsed = elapsed
        self._believed = RecordClock(record.folder, clock, elapsed)
        self._looked = False
        self._found_us: int | None = None
        self._grows_old = retain.days is not None or retain.record_days is not None
        self._noted: deque[Noted] = deque()
        self._rows: _Line[_WaitingRow] = _Line(
            self._insert, self._has_row, lambda _: "an inspection", lambda one: one.commit
        )
        self._part_commits: dict[int, Commit] = {}
        self._parts: _Line[PartRecord] = _Line(
            *(self._insert_parts, self._has_part, lambda one: f"part {one.part!r}"),
            lambda one: self._part_commits.pop(one.number, None),
        )
        # Two counts, each changed by one thread alone.
        self._taken_bytes = 0
        self._given_back_bytes = 0
        self._ending = threading.Event()
        self._due = threading.Event()
        self._ids: dict[_SourceKey, int] = {}
        self._statement: SQLCompiler | None = None
        self._retention = Retention(record, retain, self._sweep_ends, record.pictures.free_bytes)
        self._peers = peers or Alone()
        self._elsewhere = KeptElsewhere(self._peers)
        self._sweep_at_s = -math.inf
        self._try_at_s = 0.0
        # None until the database was tried for the first time.
        self._down: bool | None = None
        self._newer = False
        self._disk_full = False
        self._takes_recent = True
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)

    @property
    def waiting(self) -> int:
        """Inspections that wait to be stored."""
        return len(self._noted) + len(self._rows.waiting)

    def start(self) -> None:
        """Begin to store; the database is opened by the thread."""
        self._metrics.begin()
        self._metrics.waiting.set_function(lambda: self.waiting)
        name, folder = self.record.database.name, self.record.pictures.folder
        logger.info("inspections are recorded in %s, pictures in %s", name, folder)
        self._elsewhere.begin()
        self._thread.start()

    def note(self, answer: AnswerRecord, asked: Asked) -> None:
        """Take an answer and its picture; see `Outlet`."""
        if self._newer or self.waiting >= self._backlog.rows:
            self._metrics.inspections("lost")
            return
        self._take(answer, asked, None)

    async def commit(self, answers: Sequence[tuple[AnswerRecord, Asked]], within_s: float) -> None:
        """Have answers stored, and their pictures where a rule keeps them, on the disk.

        Args:
            answers: with what came with each.
            within_s: longest wait.

        Raises:
            RecordError: one is not there, and has no answer.
        """
        if self._newer or self._down:
            raise not_stored(f"the record {self.record.database.name} cannot be used now")
        if self.waiting + len(answers) > self._backlog.rows:
            raise not_stored(f"{self.waiting} others wait for the record, as many as may")
        commits: list[Commit] = []
        try:
            for answer, asked in answers:
                commit = Commit()
                self._take(answer, asked, commit)
                commits.append(commit)
        except RecordError:
            for commit in commits:
                commit.withdrawn = True
            raise
        self._due.set()
        await all_stored(commits, min(within_s, LONGEST_S))

    async def part_stored(self, number: int, within_s: float = LONGEST_S) -> None:
        """Wait until the result of a part is stored that was noted; at once where it is.

        Raises:
            RecordError: it is not yet; it is stored once the record can be used.
        """
        if (commit := self._part_commits.get(number)) is not None:
            try:
                async with asyncio.timeout(within_s):
                    await commit.wait()
            except (RecordError, TimeoutError):
                raise RecordError(
                    "the result of the part is not in the record yet; ask for the part again"
                ) from None

    def _take(self, answer: AnswerRecord, asked: Asked, commit: Commit | None) -> None:
        picture, keep = asked.picture, self._keep.reason(answer.verdict)
        size = 0 if picture is None else _bytes_of(picture)
        waiting = self._taken_bytes - self._given_back_bytes + size
        room = self._takes_recent and 2 * waiting <= self._backlog.bytes
        if keep == "recent" and (picture is None or not room):
            keep = None
            self._metrics.pictures("skipped")
        if waiting > self._backlog.bytes:
            picture = None
        else:
            self._taken_bytes += size
        if keep is not None and picture is None:
            self._metrics.pictures("lost")
            if commit is not None:
                raise not_stored("the pictures that wait for the record take all their memory")
        self._noted.append(Noted(answer, asked._replace(picture=None), picture, keep, size, commit))

    def note_part(self, part: PartRecord) -> None:
        """Take the result of a part, which is stored after the inspections of its views."""
        if self._newer or len(self._parts.waiting) >= self._backlog.rows:
            self._metrics.inspections("lost")
            return
        if self._durable:
            self._part_commits[part.number] = Commit()
            self._due.set()
        self._parts.waiting.append(part)

    def close(self, timeout_s: float) -> None:
        """Store what waits, within a time, and end; what is left then is counted as lost."""
        self._ending.set()
        self._due.set()
        self._thread.join(timeout_s)
        if left := self.waiting:
            self._metrics.inspections("lost", left)
            logger.error("%d inspections are missing from the record, as it ends", left)
        if parts := len(self._parts.waiting):
            self._metrics.inspections("lost", parts)
            logger.error("%d parts are missing from the record, as it ends", parts)
        if not self._thread.is_alive():
            self._elsewhere.end()
            self.record.close()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._due.wait(self._every_s)
            self._due.clear()
            self.turn()
        # Once more, whatever failed a moment ago.
        self._try_at_s = 0.0
        self.turn()

    def turn(self) -> None:
        """Store what waits, and remove what is too old."""
        try:
            if self._down is None:
                # Whether pictures will have rows is known before the first one is kept.
                self._look()
            self._takes_recent = not self._down and self._retention.takes_recent
            self._prepare()
            if time.monotonic() >= self._try_at_s:
                self._look()
                self._store()
                self._sweep()
        except NewerRecordError as error:
            self._record_nothing(error)
        except RecordError as error:
            self._try_at_s = time.monotonic() + _AGAIN_S
            self._metrics.up.set(0)
            if not self._down:
                told = "wait, and are lost if it takes long"
                if self._durable:
                    told = "have no answer until it can be"
                logger.error("%s; inspections %s", error, told)
            self._down = True
            self._withhold(str(error))
        except Exception:
            logger.exception("the record has met something unforeseen, and goes on")

    def _record_nothing(self, error: NewerRecordError) -> None:
        """Let go of what waits, as nobody will store it; the database is still asked now and then.

        The next release stores what it inspects itself.
        """
        self._try_at_s = time.monotonic() + _AGAIN_S
        self._metrics.up.set(0)
        self._metrics.newer.set(1)
        if not self._newer:
            logger.error("%s; nothing is recorded meanwhile", error)
        self._newer = self._down = True
        self._withhold(str(error))
        self._metrics.inspections("lost", self.waiting)
        while self._noted:
            self._given_back_bytes += self._noted.popleft().bytes
        self._rows.waiting.clear()
        self._parts.waiting.clear()
        self._rows.unsure = self._parts.unsure = 0
        self._part_commits.clear()

    def _withhold(self, why: str) -> None:
        """Have whoever waits for a commit do without an answer; none of it is stored any more."""
        if not self._durable:
            return
        while self._noted:
            noted = self._noted.popleft()
            self._given_back_bytes += noted.bytes
            _settle(noted.commit, why)
        while self._rows.waiting:
            _settle(self._rows.waiting.popleft().commit, why)
        self._rows.unsure = 0
        # Parts have ended, whoever waits for that: they are stored as soon as they can be.
        for commit in list(self._part_commits.values()):
            commit.settle(why)

    def _prepare(self) -> None:
        """Weigh pictures and write those that are kept, so that rows alone wait from then on."""
        # No more than are there now: where they come as fast as they are written, rows wait behind.
        for _ in range(len(self._noted)):
            noted = self._noted.popleft()
            try:
                if noted.commit is None or not noted.commit.withdrawn:
                    row = _WaitingRow(noted.answer.source, self._row(noted), noted.commit)
                    self._rows.waiting.append(row)
            except Exception as error:
                if not isinstance(error, RecordError):
                    logger.exception("an inspection is missing from the record")
                    self._metrics.inspections("lost")
                _settle(noted.commit, str(error))
            finally:
                if noted.picture is not None:
                    noted.picture = None
                    self._given_back_bytes += noted.bytes

    def _row(self, noted: Noted) -> Row:
        if noted.picture is None:
            return row_of(noted, None, picture=False)
        key = key_of(noted.answer, noted.picture)
        recent = noted.keep == "recent"
        there = noted.keep is not None and self._write(key, noted.picture, recent=recent)
        if recent and not there:
            noted.keep = None
        if noted.commit is not None and noted.keep is not None and not there:
            raise RecordError("the disk does not take its picture")
        return row_of(noted, key, picture=there)

    def _write(self, key: PictureKey, picture: Picture, *, recent: bool) -> bool:
        """Keep a picture; False where the disk does not take it, or it is no picture."""
        try:
            # Recent pixels go again soon, and are many: nobody waits for them to be packed.
            size = self.record.pictures.write(
                key, picture, packed=not recent, durable=self._durable
            )
            self._retention.added(size, recent=recent)
            self._elsewhere.added(size)
        except RecordError as error:
            self._metrics.pictures("lost")
            if not self._disk_full:
                logger.error("%s; inspections are recorded without pictures", error)
            self._disk_full = True
            return False
        if self._disk_full:
            logger.warning("pictures are kept again")
        self._disk_full = False
        self._metrics.pictures("kept")
        return True

    def _look(self) -> None:
        """Find the newest inspection that was there before; what is stored here proves no clock.

        Raises:
            RecordError: the database does not answer.
        """
        if not self._looked:
            newest = select(inspections.c.at_us).order_by(inspections.c.id.desc()).limit(1)
            with self.record.database.reading() as connection:
                self._found_us = connection.execute(newest).scalar()
            self._looked = True

    def _store(self) -> None:
        """Write rows and the results of parts, the oldest first.

        Raises:
            RecordError: the database does not answer; what is not stored still waits.
        """
        self._empty(self._rows)
        self._empty(self._parts)
        if self._down is not False:
            # Nothing waits, so that nothing has told whether the database is there and takes rows.
            self.record.database.check_writable()
            self._works()

    def _empty(self, line: _Line[Waiting]) -> None:
        """Write what waits; one by one where the database refuses something of it.

        Raises:
            RecordError: the database does not answer; what is not stored still waits.
        """
        waiting = line.waiting
        while waiting:
            some = list(itertools.islice(waiting, line.unsure or _AT_ONCE))
            try:
                line.store(some)
            except RefusedRowsError:
                for one in some:
                    try:
                        line.store([one])
                    except RefusedRowsError as error:
                        self._metrics.inspections("lost")
                        _settle(line.commit_of(one), str(error))
                        logger.error("%s is missing from the record: %s", line.name(one), error)
                    else:
                        self._stored(line, [one])
                    # At once: where the database goes away now, it is not stored again.
                    waiting.popleft()
            else:
                self._stored(line, some)
                for _ in some:
                    waiting.popleft()
            self._works()

    def _stored(self, line: _Line[Waiting], some: Sequence[Waiting]) -> None:
        if line is self._rows:
            self._metrics.inspections("stored", len(some))
        for one in some:
            _settle(line.commit_of(one), None)

    def _insert_parts(self, some: Sequence[PartRecord]) -> None:
        insert_parts(self.record.database, some, durable=self._durable)

    def _has_part(self, one: PartRecord) -> bool:
        with self.record.database.reading() as connection:
            return part_of(connection, one.part, one.number) is not None

    def _has_row(self, one: _WaitingRow) -> bool:
        names = ("at_us", "request_id", "part_number")
        same = (inspections.c[name].is_not_distinct_from(one.row[name]) for name in names)
        with self.record.database.reading() as connection:
            return connection.scalar(select(inspections.c.id).where(*same)) is not None

    def _insert(self, some: Sequence[_WaitingRow]) -> None:
        found: dict[_SourceKey, int] = {}
        with self.record.database.writing(durable=self._durable) as connection:
            for source, row, _ in some:
                key = (row["model"], row["version"], source)
                found[key] = row["source_id"] = (
                    self._ids.get(key) or found.get(key) or _source_id(connection, key)
                )
            self._insert_rows(connection, [one.row for one in some])
        # Only now is it certain that they are there.
        self._ids |= found

    def _insert_rows(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Insert rows by the driver itself, which takes two thirds of the time."""
        if self._statement is None:
            statement = insert(inspections).values(dict.fromkeys(rows[0]))
            self._statement = statement.compile(dialect=connection.dialect)
        names = self._statement.positiontup
        given = rows if names is None else [tuple(map(row.__getitem__, names)) for row in rows]
        connection.exec_driver_sql(str(self._statement), given)

    def _works(self) -> None:
        self._metrics.up.set(1)
        self._metrics.newer.set(0)
        self._newer = False
        if self._down:
            logger.warning("the record %s is back", self.record.database.name)
        self._down = False

    def _sweep_ends(self) -> bool:
        """Whether a sweep is to end; what waits for its commit does not wait for a sweep."""
        if self._durable:
            self._prepare()
            self._store()
        return self._ending.is_set()

    def _sweep(self) -> None:
        elapsed_s = self._elapsed()
        if not self._elsewhere.sweeps_here:
            return
        if elapsed_s < self._sweep_at_s:
            # A minute of a busy line may be more than all recent pictures together.
            if self._retention.recent_due(self._peers.workers):
                self._metrics.pictures("removed", self._retention.sweep_recent().pictures)
                self._tell_bytes()
            return
        self._sweep_at_s = elapsed_s + _SWEEP_EVERY_S
        if (added := self._elsewhere.collect()) is None:
            self._retention.kept_bytes = None
        else:
            self._retention.added(added)
        doubted = self._grows_old and self._believed.doubt(self._found_us) is not None
        self._metrics.clock_doubted.set(doubted)
        swept = self._retention.sweep(int(self._clock() * 1e6), by_age=not doubted)
        self._metrics.pictures("removed", swept.pictures + swept.recent)
        self._tell_bytes()
        self._works()
        if swept.pictures or swept.rows:
            logger.info(
                "retention has removed %d pictures, %.1f MB, and %d inspections",
                swept.pictures,
                swept.bytes / 1e6,
                swept.rows,
            )

    def _tell_bytes(self) -> None:
        self._metrics.picture_bytes.set(max(0, self._retention.kept_bytes or 0))
        self._metrics.recent_bytes.set(self._retention.recent.bytes)


class _WaitingRow(NamedTuple):
    source: Source
    row: Row
    commit: Commit | None


@dataclass(slots=True)
class _Line(Generic[Waiting]):
    """What waits to be stored, the oldest first, each of it once.

    Attributes:
        insert: stores some in one transaction.
        is_there: whether one is in the database.
        name: what the log calls one.
        commit_of: what waits until one is stored; None where nothing does.
        waiting: those that are not known to be stored.
        unsure: how many of the first may be: their commit has failed, or its success was not told.
    """

    insert: Callable[[Sequence[Waiting]], None]
    is_there: Callable[[Waiting], bool]
    name: Callable[[Waiting], str]
    commit_of: Callable[[Waiting], Commit | None]
    waiting: deque[Waiting] = field(default_factory=deque)
    unsure: int = 0

    def store(self, some: Sequence[Waiting]) -> None:
        """Store some in one transaction, unless they are there since a try that seemed to fail.

        Raises:
            RefusedRowsError: the database takes none of them.
            RecordError: it does not answer.
        """
        # They came together: where one is there, all are.
        if not (self.unsure and self.is_there(some[0])):
            self.unsure = len(some)
            try:
                self.insert(some)
            except RefusedRowsError:
                self.unsure = 0
                raise
        self.unsure = 0


def _settle(commit: Commit | None, failure: str | None) -> None:
    if commit is not None:
        commit.settle(failure)


_SourceKey = tuple[str, str, Source]
"""Model, version, and what answers with it."""


def _source_id(connection: Connection, key: _SourceKey) -> int:
    model, version, source = key
    values = {"model": model, "version": version, **asdict(source)}
    query = select(sources.c.id).where(*(sources.c[name] == values[name] for name in values))
    found = connection.execute(query).scalar()
    if found is None:
        done = connection.execute(insert(sources), values)
        assert done.inserted_primary_key is not None
        found = done.inserted_primary_key[0]
    return int(found)


def _bytes_of(picture: Picture) -> int:
    return len(picture.pixels) if isinstance(picture, RawPicture) else len(picture)
