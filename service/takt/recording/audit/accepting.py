"""Takes the end of the chain as it is, on the word of a person: after a backup was restored."""

from __future__ import annotations

from takt.core.domain import Json
from takt.core.errors import ConfigurationError
from takt.recording.audit.chain import append, head_of, log_entry
from takt.recording.audit.entry import Change, Entry, Head
from takt.recording.audit.kept_head import KeptHead
from takt.recording.database import Database


def accept_end(database: Database, who: str, reason: str) -> tuple[Head | None, Entry]:
    """Keep the head of the chain as it is, with an entry that says so.

    Args:
        database: of the record.
        who: name of who says so.
        reason: why it is another one than was kept.

    Returns:
        The head that was kept, None if that is not known; and the entry.

    Raises:
        RecordError: the database does not answer; nothing has changed.
        OSError: the head cannot be kept.
    """
    kept = KeptHead(database)
    try:
        before = kept.read()
    except ConfigurationError:
        before = None
    with database.writing(durable=True) as connection:
        old, new = _facts(before), _facts(head_of(connection))
        (entry,) = append(connection, Change(who, "head_accepted", old=old, new=new, reason=reason))
    kept.write(entry.head)
    log_entry(entry)
    return before, entry


def _facts(head: Head | None) -> Json | None:
    return None if head is None else {"seq": head.seq, "hash": head.hash}
