"""Messages on their way out, kept in a file until the other end has taken them."""

from __future__ import annotations

import contextlib
import logging
import secrets
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from takt.core.bundles.files import make_private, private_file

_TABLES = """
CREATE TABLE IF NOT EXISTS spool (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    topic TEXT NOT NULL,
    body BLOB NOT NULL,
    late INTEGER NOT NULL
);
"""
_INSERT = "INSERT INTO message (seq, id, topic, body, late) VALUES (?, ?, ?, ?, ?)"
_SELECT = "SELECT seq, id, topic, body, late FROM message WHERE seq > ? ORDER BY seq LIMIT ?"
_DELETE = "DELETE FROM message WHERE seq <= ?"
_BUSY_S = 5.0
_AT_ONCE = 256

logger = logging.getLogger("takt.outlets")


@dataclass(frozen=True, slots=True)
class Stored:
    """A message in a spool.

    Attributes:
        seq: its place; each is one more than the one before.
        id: tells it from all others of any spool, and stays when it is sent again.
        topic: where it goes.
        body: a JSON object without its id.
        late: whether it could not be sent when it came.
    """

    seq: int
    id: str
    topic: str
    body: bytes
    late: bool

    @property
    def payload(self) -> bytes:
        """The JSON object as it is sent: what tells it apart comes first."""
        late = b"true" if self.late else b"false"
        return b'{"id":"%s","late":%s,%s' % (self.id.encode(), late, self.body[1:])


class Spool:
    """A bounded queue in a file, which outlives its process; two threads may use it.

    What is committed is there after a kill. SQLite writes it to its log, and a loss of power may
    take what came in the last moments. Where there is no room the oldest give way.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     spool = Spool(Path(folder, "spool.sqlite"), most=2)
    ...     for body in (b'{"part":1}', b'{"part":2}', b'{"part":3}'):
    ...         spool.put("parts", body)
    ...     spool.commit(late=False), [one.body for one in spool.after(0)], spool.waiting
    ...     spool.close()
    (1, [b'{"part":2}', b'{"part":3}'], 2)

    Args:
        path: the file, made where it is missing.
        most: messages that may wait.

    Raises:
        OSError: the folder cannot be made or written.
        sqlite3.Error: the file cannot be used.
    """

    def __init__(self, path: Path, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        # A new one each time: after a loss of power, places that were sent may be given again.
        self._opening = secrets.token_hex(6)
        self._put: list[tuple[str, bytes]] = []
        make_private(path.parent)
        try:
            self._open(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            aside = path.with_suffix(".damaged")
            logger.error("%s is damaged (%s), and put aside as %s", path, error, aside)
            path.replace(aside)
            for rest in ("-wal", "-shm"):
                path.with_name(path.name + rest).unlink(missing_ok=True)
            self._open(path)

    def _open(self, path: Path) -> None:
        # SQLite gives its log, too, the mode of the database.
        open(path, "ab", opener=private_file).close()
        database = sqlite3.connect(
            path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            database.executescript(_TABLES)
            database.execute(
                "INSERT INTO spool (id) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM spool)",
                (secrets.token_hex(6),),
            )
            (self.id,) = database.execute("SELECT id FROM spool").fetchone()
            (oldest,) = database.execute("SELECT MIN(seq) FROM message").fetchone()
            newest = database.execute(
                "SELECT seq FROM sqlite_sequence WHERE name = 'message'"
            ).fetchone()
        except BaseException:
            database.close()
            raise
        self._database = database
        self._last: int = newest[0] if newest else 0
        # Nothing up to there was sent when it came. It is not written, as the disk may be full.
        self._late_to = self._last
        # Everything up to there is done with; the rows are removed a little later.
        self._done: int = self._last if oldest is None else oldest - 1
        self._removed = self._done

    @property
    def waiting(self) -> int:
        """Messages that are stored and not done with."""
        return self._last - self._done

    @property
    def newest(self) -> int:
        """Place of the message that was stored last, whether it is still there or not."""
        return self._last

    def put(self, topic: str, body: bytes) -> None:
        """Take a message, to be stored by the next `commit`; the thread of that calls it."""
        self._put.append((topic, body))

    def commit(self, *, late: bool) -> int:
        """Store what was put.

        Args:
            late: whether none of it can be sent now.

        Returns:
            Number of older messages that gave way.

        Raises:
            LostMessagesError: the file does not take it, and it is lost.
        """
        put, self._put = self._put, []
        return self._store([(None, topic, body) for topic, body in put], late) if put else 0

    def _store(self, given: Sequence[tuple[str | None, str, bytes]], late: bool) -> int:
        with self._lock:
            rows = [
                (seq, one or f"{self._opening}-{seq}", topic, body, late)
                for seq, (one, topic, body) in enumerate(given, self._last + 1)
            ]
            last = self._last + len(rows)
            dropped = max(0, last - self._done - self._most)
            done = self._done + dropped
            try:
                # Committed at its end, or rolled back.
                with self._database:
                    self._database.execute("BEGIN IMMEDIATE")
                    self._database.executemany(_INSERT, rows)
                    if done > self._removed:
                        self._database.execute(_DELETE, (done,))
            except sqlite3.Error as error:
                raise LostMessagesError(len(rows), error) from None
            self._last, self._done, self._removed = last, done, done
        return dropped

    def after(self, seq: int, most: int = _AT_ONCE) -> list[Stored]:
        """The messages after a place that are not done with, the oldest first."""
        with self._lock:
            rows = self._database.execute(_SELECT, (max(seq, self._done), most)).fetchall()
        return [
            Stored(place, one, topic, body, bool(late) or place <= self._late_to)
            for place, one, topic, body, late in rows
        ]

    def done(self, seq: int) -> None:
        """Forget the messages up to a place; their rows go with the next `commit` or `tidy`."""
        with self._lock:
            self._done = max(self._done, seq)

    def tidy(self) -> None:
        """Remove what is done with, so that none of it is sent again after a kill."""
        with self._lock:
            self._tidy()

    def mark_late(self) -> None:
        """Mark everything that waits, as it could not be sent when it came."""
        with self._lock:
            self._late_to = self._last

    def move_to(self, other: Spool) -> int:
        """Hand what waits to another spool, with its ids; gives the number of messages.

        That is no more than fills half of it, so that neither these nor what comes meanwhile give
        way; the rest stays.
        """
        moved = 0
        while some := self.after(0, min(_AT_ONCE, max(0, other._most // 2 - other.waiting))):
            other._store([(one.id, one.topic, one.body) for one in some], True)
            self.done(some[-1].seq)
            self.tidy()
            moved += len(some)
        return moved

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            with contextlib.suppress(sqlite3.Error):
                self._tidy()
            self._database.close()

    def _tidy(self) -> None:
        if self._done > self._removed:
            self._database.execute(_DELETE, (self._done,))
            self._removed = self._done


class LostMessagesError(Exception):
    """Messages that the disk did not take; they are lost.

    Args:
        messages: number of them.
        reason: what SQLite says.
    """

    def __init__(self, messages: int, reason: Exception) -> None:
        super().__init__(f"{messages} messages cannot be stored, and are lost: {reason}")
        self.messages = messages
        self.reason = reason
