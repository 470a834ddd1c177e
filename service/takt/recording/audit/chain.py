"""The chain in the database: entries are appended at its end, and read in order."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, insert, select

from takt.core.domain import Json
from takt.core.errors import RecordError
from takt.observing.logging_setup import audit as log_audit
from takt.recording.audit.entry import GENESIS, LAST_SEQ, LAST_US, Change, Entry, Head, entry_of
from takt.recording.audit.kept_head import KeptHead
from takt.recording.database import Database, hold, writer_of
from takt.recording.tables import audit

CHUNK = 1000
"""Entries that are read at once, so that no transaction lasts."""

logger = logging.getLogger("takt.audit.chain")

_LOCK = 7352
"""Held by whoever appends."""


def append(
    connection: Connection, *changes: Change, server: str | None = None
) -> tuple[Entry, ...]:
    """Append changes to the chain, in the caller's transaction of `Database.writing`.

    Nobody else appends until the transaction ends, so it should be its last statement. The
    transaction is a durable one, as the head that is kept beside the database must not lead.

    Args:
        connection: with a transaction that writes.
        changes: what was changed, in order.
        server: that appends; None for the one that has opened the database.
    """
    hold(connection, _LOCK)
    server = server or writer_of(connection)
    head = head_of(connection) or Head(0, GENESIS)
    entries = []
    for change in changes:
        entry = entry_of(change, head.seq + 1, head.hash, server)
        entries.append(entry)
        head = entry.head
    if entries:
        connection.execute(insert(audit), [asdict(entry) for entry in entries])
    return tuple(entries)


def tell_stored(database: Database, entry: Entry) -> None:
    """Count an entry that is on the disk, keep its head, and log it: a cut tail shows by either."""
    metrics = database.audit_metrics
    if metrics is not None:
        metrics.entries("stored")
    try:
        broken = KeptHead(database).follow([entry])
    except RecordError:  # the next entry takes it along
        broken = None
    if broken is not None:
        logger.error("the audit log is not as it was written: %s", broken)
        if metrics is not None:
            metrics.broken.set(1)
    log_entry(entry)


def log_entry(entry: Entry) -> None:
    """Log an entry that is stored, with the head that holds it."""
    log_audit(entry.action, **facts_of(entry), **head_facts(entry))


def facts_of(entry: Entry) -> Json:
    """What the log says of an entry, where nobody has other words for it."""
    return {
        "model": entry.model,
        "version": entry.version,
        "old": _value(entry.old),
        "new": _value(entry.new),
        "reason": entry.reason,
        "caller": entry.who,
        "client": entry.client,
    }


def head_facts(entry: Entry | None) -> Json:
    """The head as the log has it; None for an entry that is not stored yet."""
    return {
        "audit_seq": entry.seq if entry else None,
        "audit_hash": entry.hash if entry else None,
    }


def head_of(connection: Connection) -> Head | None:
    """The end of the chain; None while it is empty.

    Raises:
        RecordError: somebody has made it one that no entry can follow.
    """
    newest = select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    if row is None:
        return None
    followed = isinstance(row.hash, str) and len(row.hash) <= len(GENESIS)
    if not (followed and 0 < row.seq < LAST_SEQ):
        raise RecordError(
            f"the audit log ends with an entry {row.seq} that no server has written, so that none "
            "can follow it; restore a backup, or take that entry out of the table audit and say "
            "why with `takt audit accept`"
        )
    return Head(row.seq, row.hash)


def entries_of(database: Database) -> Iterator[Entry]:
    """Every entry in order, whatever its number; reads as many as a chunk at a time.

    Raises:
        RecordError: the database cannot be reached or read.
    """
    for row in database.in_order(select(audit), audit.c.seq, CHUNK):
        yield entry_in(row._mapping)


def newest_of(database: Database, limit: int) -> list[Entry]:
    """The newest entries, the newest first, `limit` at most.

    Raises:
        RecordError: the database cannot be reached or read.
    """
    wanted = select(audit).order_by(audit.c.seq.desc()).limit(limit)
    with database.reading() as connection:
        return [entry_in(row) for row in connection.execute(wanted).mappings()]


def entry_in(row: Mapping[Any, Any]) -> Entry:
    """An entry by its row; what no entry has becomes what can be shown, and so fits no hash.

    SQLite takes any value in any column.
    """
    values = {name: value if _is_text(value) else repr(value) for name, value in row.items()}
    at_us = row["at_us"]
    is_time = isinstance(at_us, int) and 0 <= at_us <= LAST_US
    return Entry(**(values | {"seq": row["seq"], "at_us": at_us if is_time else 0}))


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _value(text: str | None) -> Json | None:
    value: Json | None = None if text is None else json.loads(text)
    return value
