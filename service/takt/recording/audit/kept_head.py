"""The head of the chain, kept in a file beside the database: a cut end shows by it.

The file never leads: it is written once an entry is on the disk. Where a process ends in between,
or another server appends to the same database, it lags by some entries, and the next one that is
appended here takes it along. What the file tells of has to be in the chain as it was.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field, ValidationError
from sqlalchemy import select

from takt.core.bundles.files import make_private, write_atomically
from takt.core.bundles.strict_model import StrictModel
from takt.core.errors import ConfigurationError
from takt.recording.audit.entry import LAST_SEQ, Entry, Head
from takt.recording.database import Database
from takt.recording.tables import audit

FILE = "audit-head.json"

_DAMAGED = (
    "{} is damaged, so that nobody can say whether the newest entries of the audit log are there; "
    "look at them, and keep the head anew with `takt audit accept`"
)

logger = logging.getLogger("takt.audit.head")


class _KeptIn(StrictModel):
    seq: int = Field(ge=1, le=LAST_SEQ)
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")


class KeptHead:
    """The file of a database's head; any thread and any process may use it.

    Args:
        database: of the record; one that has no folder beside it keeps no head.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.file: Path | None = None if database.beside is None else database.beside / FILE

    def read(self) -> Head | None:
        """The head that is kept; None where none is.

        Raises:
            ConfigurationError: the file is damaged.
            OSError: it cannot be read.
        """
        if self.file is None:
            return None
        try:
            kept = _KeptIn.model_validate_json(self.file.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError:
            raise ConfigurationError(_DAMAGED.format(self.file)) from None
        return Head(kept.seq, kept.hash)

    def write(self, head: Head) -> None:
        """Keep a head, whatever was kept before.

        Raises:
            OSError: the folder or the disk does not take it.
        """
        if self.file is not None:
            make_private(self.file.parent)
            text = json.dumps({"seq": head.seq, "hash": head.hash})
            write_atomically(self.file, text.encode("ascii"), 0o600)

    def begin(self, head: Head) -> None:
        """Keep the head of a chain of which none is kept yet.

        Raises:
            ConfigurationError, OSError: as `read` and `write` do.
        """
        if self.file is None:
            return
        with self._alone():
            if self.read() is None:
                self.write(head)

    def follow(self, entries: Sequence[Entry]) -> str | None:
        """Keep the head of entries that are on the disk; says what is wrong with those before.

        Args:
            entries: that were appended together.

        Raises:
            RecordError: the database does not answer; the head lags then.
        """
        if self.file is None or not entries:
            return None
        head = entries[-1].head
        try:
            with self._alone():
                kept = self.read()
                if kept is None and entries[0].seq > 1:
                    # It is begun once the whole chain was checked.
                    return None
                if kept is not None and self._hash_at(kept.seq, entries) != kept.hash:
                    return (
                        f"entry {kept.seq} is not there as {self.file} has it: the newest entries "
                        "were cut off, or written anew"
                    )
                if kept is None or kept.seq < head.seq:
                    self.write(head)
        except ConfigurationError as error:
            return str(error)
        except OSError as error:
            logger.warning("the head of the audit log cannot be kept in %s: %s", self.file, error)
        return None

    def _hash_at(self, seq: int, entries: Sequence[Entry]) -> str | None:
        if seq == entries[0].seq - 1:
            return entries[0].previous
        for entry in entries:
            if entry.seq == seq:
                return entry.hash
        with self._database.reading() as connection:
            found: str | None = connection.execute(
                select(audit.c.hash).where(audit.c.seq == seq)
            ).scalar()
        return found

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One process and thread at a time."""
        assert self.file is not None
        make_private(self.file.parent)
        lock = os.open(self.file.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
