"""Chains of entries for tests, and ways to tamper with them."""

from __future__ import annotations

from takt.recording.audit.chain import append
from takt.recording.audit.entry import Change, Entry
from takt.recording.audit.kept_head import KeptHead
from takt.recording.record import Record


def a_change(number: int = 1, **fields: object) -> Change:
    ours = {
        "who": "leader",
        "action": "threshold_changed",
        "model": "parts",
        "version": "1",
        "old": {"image": 0.5},
        "new": {"image": number / 10},
        "reason": "new lamp, 5 µm",
        "client": "10.0.0.7",
    }
    return Change(**(ours | fields))  # type: ignore[arg-type]


def appended(record: Record, count: int) -> list[Entry]:
    """The entries of so many changes, each in a transaction of its own."""
    entries = []
    for number in range(1, count + 1):
        with record.database.writing() as connection:
            stored = append(connection, a_change(number))
        KeptHead(record.database).follow(stored)
        entries += stored
    return entries


def tamper(record: Record, *statements: str) -> None:
    """Change the table past the chain, as whoever has the database's password can."""
    with record.database.writing() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
