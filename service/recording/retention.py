"""How long pictures and rows stay: by age, number and bytes; what is pinned stays."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Row, and_, delete, func, select, update

from service.peers import Message, Peers, Reply
from service.recording.pictures import PictureKey
from service.recording.record import Record
from service.recording.tables import inspections
from service.recording.wishes import read_wishes

_DAY_US: Final = 86_400_000_000
_KEPT_BYTES = "kept_bytes"
_HEARD_WITHIN_S = 10.0
_AT_ONCE = 500
"""Most rows of one transaction, so that the database is free again within milliseconds."""


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """Bounds of what is kept; None is no bound.

    >>> RetentionRule.read("days=90,gb=20").bytes
    20000000000

    Attributes:
        days: age of the oldest picture.
        pictures: number of pictures.
        bytes: of all pictures.
        record_days: age of the oldest inspection.
    """

    days: float | None = None
    pictures: int | None = None
    bytes: int | None = None
    record_days: float | None = None

    @classmethod
    def read(cls, text: str) -> RetentionRule:
        """The rule of a text such as `days=90,gb=20`.

        Raises:
            ConfigurationError: the text is no such rule.
        """
        wishes = read_wishes("retain", text, numbers=("days", "pictures", "gb", "record_days"))
        count, gigabytes = wishes.get("pictures"), wishes.get("gb")
        return cls(
            days=wishes.get("days"),
            pictures=None if count is None else int(count),
            bytes=None if gigabytes is None else int(gigabytes * 1e9),
            record_days=wishes.get("record_days"),
        )


@dataclass(slots=True)
class Swept:
    """What a sweep has removed."""

    pictures: int = 0
    bytes: int = 0
    rows: int = 0


@dataclass(slots=True)
class Retention:
    """Removes what a rule does not keep; used by one thread.

    A row lets go of its picture before the file goes: where a process ends in between, a file is
    left that no row names, and `takt records check` removes it.

    Attributes:
        record: that is swept.
        rule: what stays.
        stop: tells that a sweep is to end early.
        kept_bytes: of all pictures; counted on the disk at the first sweep.
    """

    record: Record
    rule: RetentionRule
    stop: Callable[[], bool] = lambda: False
    kept_bytes: int | None = field(default=None, init=False)

    def added(self, size: int) -> None:
        """Count the bytes of a new file."""
        if self.kept_bytes is not None:
            self.kept_bytes += size

    def sweep(self, now_us: int) -> Swept:
        """Remove what the rule does not keep.

        Args:
            now_us: in µs of Unix time.

        Raises:
            RecordError: the database or the disk does not answer.
        """
        if self.kept_bytes is None:
            self.kept_bytes = sum(size for _, size in self.record.pictures.files())
        swept, rule = Swept(), self.rule
        if rule.record_days is not None:
            self._remove_rows(now_us - int(rule.record_days * _DAY_US), swept)
        if rule.days is not None:
            before_us = now_us - int(rule.days * _DAY_US)
            while not self.stop() and self._let_go(swept, before_us=before_us):
                pass
        if rule.pictures is not None:
            over = self._number() - rule.pictures
            while over > 0 and not self.stop():
                done = self._let_go(swept, most=min(over, _AT_ONCE))
                over -= done
                if not done:
                    break
        if rule.bytes is not None:
            while self.kept_bytes > rule.bytes and not self.stop():
                # A tenth of the usual number, as so few may be enough.
                if not self._let_go(swept, most=_AT_ONCE // 10):
                    break
        return swept

    def _number(self) -> int:
        with self.record.database.reading() as connection:
            query = select(func.count()).where(inspections.c.picture)
            return int(connection.execute(query).scalar_one())

    def _let_go(self, swept: Swept, *, before_us: int | None = None, most: int = _AT_ONCE) -> int:
        """Remove the oldest pictures that are not pinned; the number of rows that had them."""
        oldest = (
            select(*_OF_PICTURE)
            .where(inspections.c.picture, ~inspections.c.pinned)
            .order_by(inspections.c.at_us)
            .limit(most)
        )
        if before_us is not None:
            oldest = oldest.where(inspections.c.at_us < before_us)
        with self.record.database.writing() as connection:
            found = connection.execute(oldest).all()
            ids = [row.id for row in found]
            if ids:
                # Somebody may have pinned one meanwhile.
                gone = and_(inspections.c.id.in_(ids), ~inspections.c.pinned)
                connection.execute(update(inspections).where(gone).values(picture=False))
        self._remove_files(found, swept)
        return len(found)

    def _remove_rows(self, before_us: int, swept: Swept) -> None:
        oldest = (
            select(*_OF_PICTURE, inspections.c.picture)
            .where(inspections.c.at_us < before_us, ~inspections.c.pinned)
            .order_by(inspections.c.at_us)
            .limit(_AT_ONCE)
        )
        while not self.stop():
            with self.record.database.writing() as connection:
                found = connection.execute(oldest).all()
                ids = [row.id for row in found]
                if ids:
                    gone = and_(inspections.c.id.in_(ids), ~inspections.c.pinned)
                    connection.execute(delete(inspections).where(gone))
            swept.rows += len(found)
            self._remove_files([row for row in found if row.picture], swept)
            if len(found) < _AT_ONCE:
                return

    def _remove_files(self, rows: Sequence[Row[*tuple[Any, ...]]], swept: Swept) -> None:
        keys = {
            PictureKey(row.at_us, row.sha256.hex(), row.input_format).path: row.sha256
            for row in rows
            if row.sha256 is not None
        }
        if not keys:
            return
        with self.record.database.reading() as connection:
            others = connection.execute(
                select(*_OF_PICTURE).where(
                    inspections.c.picture, inspections.c.sha256.in_(keys.values())
                )
            ).all()
        shared = {PictureKey(row.at_us, row.sha256.hex(), row.input_format).path for row in others}
        for path in keys.keys() - shared:
            size = self.record.pictures.remove(path)
            swept.pictures += 1
            swept.bytes += size
            self.kept_bytes = max(0, (self.kept_bytes or 0) - size)


_OF_PICTURE = (
    inspections.c.id,
    inspections.c.at_us,
    inspections.c.sha256,
    inspections.c.input_format,
)


class KeptElsewhere:
    """Bytes of new pictures that other workers of a server keep in the same folder.

    The worker that leads asks for them and sweeps. Whatever it cannot hear is on the disk.

    Args:
        peers: the other workers.
    """

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        # The next one with this worker's number is another.
        self._name = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._added = 0
        self._left_by_others = 0
        self._heard: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        peers.answer(_KEPT_BYTES, self._answer)

    @property
    def sweeps_here(self) -> bool:
        """Whether this worker is the one that sweeps; any thread may ask."""
        return self._peers.leading.is_set()

    def begin(self) -> None:
        """Hear the others; on the event loop."""
        if self._peers.workers > 1:
            self._loop = asyncio.get_running_loop()

    def added(self, size: int) -> None:
        """Count the bytes of a new file of this worker."""
        with self._lock:
            self._added += size

    def collect(self) -> int | None:
        """What the others have kept since the last call; None where one of them was not heard.

        Blocks until they have answered; not on the event loop.
        """
        replies = self._ask({})
        heard = [reply.body for reply in replies if reply.failure is None]
        now = {body["name"] for body in heard}
        with self._lock:
            left, self._left_by_others = self._left_by_others, 0
            gone, self._heard = self._heard - now, now
        if gone or len(now) < self._peers.workers - 1:
            return None
        return left + sum(int(body["bytes"]) for body in heard)

    def end(self) -> None:
        """Tell what is not collected yet; blocks, not on the event loop."""
        with self._lock:
            added, self._added = self._added, 0
        self._ask({"leaves": self._name, "bytes": added})

    def _ask(self, body: Message) -> list[Reply]:
        if self._loop is None:
            return []
        asked = self._peers.ask(_KEPT_BYTES, body, _HEARD_WITHIN_S / 2)
        try:
            replies = asyncio.run_coroutine_threadsafe(asked, self._loop)
        except RuntimeError:  # it is closed
            asked.close()
            return []
        try:
            return replies.result(_HEARD_WITHIN_S)
        except (TimeoutError, CancelledError):
            return []

    async def _answer(self, body: Message) -> Message:
        with self._lock:
            if "leaves" in body:
                self._left_by_others += body["bytes"]
                self._heard.discard(body["leaves"])
                return {}
            added, self._added = self._added, 0
            return {"name": self._name, "bytes": added}
