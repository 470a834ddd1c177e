"""What a server appends to the audit log by: in order, and without holding up what is changed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from sqlalchemy import Connection

from takt.core.domain import Json
from takt.core.errors import ConfigurationError, RecordError
from takt.observing.logging_setup import audit as log_audit
from takt.recording.audit.chain import append, entries_of, facts_of, head_facts
from takt.recording.audit.entry import SERVER, WHOLE_STATES, Change, Entry, entry_of
from takt.recording.audit.kept_head import KeptHead
from takt.recording.audit.metrics import AuditMetrics
from takt.recording.audit.verify import ChainCheck
from takt.recording.database import Database

Changes = Callable[[Connection], Sequence[Change]]
"""Finds what has changed, by what the record knows."""

_AT_ONCE = 100
"""Most that one transaction stores, when the database is back."""

logger = logging.getLogger("takt.audit.trail")


@dataclass(slots=True)
class _Waiting:
    """What is to be stored.

    Attributes:
        change: that was made; None where `find` finds out.
        facts: what the log says of it; None for what the entry has.
        find: finds changes, once the database answers.
        told: whether the log has it already, without the head.
        settled: whether it is stored, or has failed once.
        settle: called when it is settled.
    """

    change: Change | None = None
    facts: Json | None = None
    find: Changes | None = None
    told: bool = False
    settled: bool = False
    settle: Callable[[], object] = lambda: None


class AuditTrail:
    """Appends changes to the chain from a thread of its own, and logs each with its head.

    A change is made first and noted then: where the database is away, it holds all the same, is
    logged at once, and its entry waits, in order. Without a database, changes are logged alone.

    >>> import tempfile
    >>> from prometheus_client import CollectorRegistry
    >>> from takt.recording.audit.chain import newest_of
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     database = Database(f"sqlite:///{folder}/record.sqlite")
    ...     trail = AuditTrail(database, AuditMetrics(CollectorRegistry()))
    ...     trail.begin()
    ...     asyncio.run(trail.note(Change("leader", "threshold_changed")))
    ...     trail.close(timeout_s=10)
    ...     [entry.who for entry in newest_of(database, limit=5)]
    ...     database.close()
    ['leader']

    Args:
        database: of the record; None for a server without one.
        metrics: counts the entries.
        server: name of this server; the host's if it is empty.
        wait_s: longest time that a change waits for its entry.
        retry_s: time between two tries while the database is away.
        most_waiting: most changes that wait; further ones are in the log alone.
    """

    def __init__(
        self,
        database: Database | None,
        metrics: AuditMetrics,
        server: str = "",
        wait_s: float = 2.0,
        retry_s: float = 1.0,
        most_waiting: int = 1000,
    ) -> None:
        self.server = server or socket.gethostname()
        self._database = database
        self._metrics = metrics
        self._wait_s = wait_s
        self._retry_s = retry_s
        self._most_waiting = most_waiting
        self._waiting: deque[_Waiting] = deque()
        self._lost = 0
        self._away = False
        self._closing = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._kept = None if database is None else KeptHead(database)
        self._broken = False
        self._is_new = False

    def begin(self) -> None:
        """Start to store; what was noted before is stored as well."""
        if self._database is None:
            return
        self._metrics.begin(lambda: len(self._waiting))
        self._thread = threading.Thread(
            target=self._run, args=(self._database,), name="audit", daemon=True
        )
        self._thread.start()

    async def note(self, change: Change, facts: Json | None = None) -> None:
        """Store and log what somebody has changed; returns once it is stored, or soon after.

        Args:
            change: that was made.
            facts: what the log says of it; None for what the entry has.
        """
        settled = asyncio.Event()
        loop = asyncio.get_running_loop()
        waiting = _Waiting(change, facts)
        waiting.settle = partial(loop.call_soon_threadsafe, settled.set)
        if self._database is None or not self._put(waiting):
            self._log_alone(waiting)
            return
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._wait_s):
                    await settled.wait()
        finally:
            with self._changed:
                if not waiting.settled:
                    self._log_alone(waiting)

    def tell(self, change: Change) -> None:
        """Store and log what the server has noticed; does not wait. Any thread may call it."""
        if self._database is None:
            return
        waiting = _Waiting(change)
        if not self._put(waiting):
            self._log_alone(waiting)

    def find(self, find: Changes) -> None:
        """Store and log what differs from what the record knows, in turn with what was noted."""
        if self._database is not None:
            self._put(_Waiting(find=find))

    def check(self, stopped: Callable[[], bool]) -> None:
        """Check the chain as a start finds it, and say what is wrong with it.

        The server serves all the same. A chain of which no head is kept yet has one from then on,
        if it is whole. It takes some time, and blocks.

        Args:
            stopped: tells that nobody wants to know any more.

        Raises:
            RecordError: the database does not answer.
        """
        if self._database is None or self._kept is None:
            return
        try:
            kept = self._kept.read()
            check = ChainCheck([kept] if kept else [])
            for _ in check.through(entries_of(self._database)):
                if stopped():
                    return
            if check.findings:
                more = len(check.findings) - 1
                self._tell_broken(f"{check.findings[0]}" + (f", and {more} more" if more else ""))
            elif kept is None and check.count:
                self._kept.begin(check.head)
                if self._is_new:
                    return
                logger.warning(
                    "no head of the audit log was kept in %s: that its newest entries were cut off "
                    "shows from entry %d on",
                    self._kept.file,
                    check.head.seq,
                )
        except ConfigurationError as error:
            self._tell_broken(str(error))
        except OSError as error:
            logger.warning("the head of the audit log cannot be kept: %s", error)

    def close(self, timeout_s: float) -> None:
        """Store what waits, within a time; what is left then is in the log alone."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)
        with self._changed:
            left = len(self._waiting)
        if left and self._database is not None:
            self._metrics.entries("lost", left)
            logger.error("%d entries of the audit log were not stored; the log has them", left)

    def _put(self, waiting: _Waiting) -> bool:
        with self._changed:
            if len(self._waiting) >= self._most_waiting:
                self._lost += 1
                self._metrics.entries("lost")
                return False
            self._waiting.append(waiting)
            self._changed.notify_all()
            return True

    def _run(self, database: Database) -> None:
        at_once = _AT_ONCE
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                batch = list(islice(self._waiting, at_once))
                closing = self._closing
            if not batch:
                return
            try:
                with database.writing(durable=True) as connection:
                    stored = [self._append(connection, waiting) for waiting in batch]
            except RecordError as error:
                self._failed(batch, error)
                if closing:
                    return
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, timeout=self._retry_s)
            except Exception:
                # What can never be stored must not keep the rest from it, so it is looked for.
                if len(batch) == 1:
                    logger.exception("an entry of the audit log cannot be stored")
                    self._give_up(batch[0])
                at_once = 1
            else:
                self._follow([entry for entries in stored for entry in entries])
                self._succeeded(batch, stored)
                at_once = _AT_ONCE

    def _append(self, connection: Connection, waiting: _Waiting) -> tuple[Entry, ...]:
        changes = [waiting.change] if waiting.change else []
        if waiting.find is not None:
            changes = [*waiting.find(connection)]
        entries = append(connection, *changes, server=self.server)
        # Known before others can see it: whoever checks the chain may be quicker than the head.
        self._is_new = self._is_new or any(entry.seq == 1 for entry in entries)
        return entries

    def _follow(self, entries: Sequence[Entry]) -> None:
        """Have the head that is kept follow what is stored."""
        if self._kept is None:
            return
        # Where the database does not answer now, the next entry takes it along.
        with contextlib.suppress(RecordError):
            if (wrong := self._kept.follow(entries)) is not None:
                self._tell_broken(wrong)

    def _tell_broken(self, wrong: str) -> None:
        if not self._broken:
            self._broken = True
            self._metrics.broken.set(1)
            logger.error(
                "the audit log is not as it was written: %s; `takt audit verify` says more", wrong
            )

    def _succeeded(self, batch: list[_Waiting], stored: list[tuple[Entry, ...]]) -> None:
        with self._changed:
            for waiting, entries in zip(batch, stored, strict=True):
                self._waiting.popleft()
                for entry in entries:
                    _log_stored(waiting, entry)
                self._metrics.entries("stored", len(entries))
                _settle(waiting)
            if self._lost:
                # The chain itself says that something is not in it.
                lost = Change(SERVER, "entries_lost", new={"count": self._lost})
                self._waiting.append(_Waiting(lost))
                self._lost = 0
            if self._away:
                self._away = False
                logger.info("the audit log is stored again")

    def _failed(self, batch: list[_Waiting], error: RecordError) -> None:
        with self._changed:
            for waiting in batch:
                self._log_alone(waiting)
                _settle(waiting)
            if not self._away:
                self._away = True
                logger.error("entries of the audit log wait to be stored: %s", error)

    def _give_up(self, waiting: _Waiting) -> None:
        with self._changed:
            self._waiting.popleft()
            self._log_alone(waiting)
            _settle(waiting)
            self._lost += 1
            self._metrics.entries("lost")

    def _log_alone(self, waiting: _Waiting) -> None:
        """Log a change that is not stored, once; the lock is held where others could do so, too."""
        if waiting.told or waiting.change is None:
            return
        waiting.told = True
        facts = waiting.facts
        if facts is None:
            facts = facts_of(entry_of(waiting.change, 0, "", self.server))
        no_head = {} if self._database is None else head_facts(None)
        log_audit(waiting.change.action, **facts, **no_head)


def _log_stored(waiting: _Waiting, entry: Entry) -> None:
    if waiting.told:
        log_audit("entry_stored", action=entry.action, **head_facts(entry))
    else:
        facts = waiting.facts or facts_of(entry)
        if entry.action in WHOLE_STATES:
            facts = {"caller": entry.who}
        log_audit(entry.action, **facts, **head_facts(entry))


def _settle(waiting: _Waiting) -> None:
    waiting.settled = True
    with contextlib.suppress(RuntimeError):  # the loop of who waited is closed
        waiting.settle()
