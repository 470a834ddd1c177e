"""Checks the chain: finds entries that were changed, removed, moved or put in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from takt.recording.audit.chain import entries_of
from takt.recording.audit.entry import GENESIS, Entry, Head
from takt.recording.audit.kept_head import KeptHead
from takt.recording.database import Database

MOST_FINDINGS = 20
"""So many are told; where all that follows was written anew there may be a million."""


@dataclass(frozen=True, slots=True)
class ChainFinding:
    """Something that is wrong with the chain.

    Attributes:
        seq: number of the entry.
        text: what is wrong with it.
    """

    seq: int
    text: str

    def __str__(self) -> str:
        return f"entry {self.seq} {self.text}"


class ChainCheck:
    """Checks entries one after another, in memory that does not grow with them.

    >>> check = ChainCheck()
    >>> for entry in check.through([]):
    ...     pass
    >>> check.count, check.findings
    (0, [])

    Args:
        heads: from the log or a signed export; the chain must have these entries as they were.

    Attributes:
        count: entries until now.
        first_hash: of the first one; empty before it.
        head: of the last one until now.
        findings: what is wrong, `MOST_FINDINGS` at most.
    """

    def __init__(self, heads: Sequence[Head] = ()) -> None:
        self.count = 0
        self.first_hash = ""
        self.head = Head(0, GENESIS)
        self.findings: list[ChainFinding] = []
        self._wanted: dict[int, set[str]] = {}
        for head in heads:
            self._wanted.setdefault(head.seq, set()).add(head.hash)

    def through(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The same entries; each is checked on its way, and the end after the last one."""
        for entry in entries:
            self._take(entry)
            yield entry
        for seq in sorted(self._wanted):
            self._find(seq, f"is missing, which a head tells of: the chain ends at {self.head.seq}")

    def _take(self, entry: Entry) -> None:
        wanted = self.head.seq + 1
        if entry.seq > wanted:
            gone = str(wanted) if entry.seq == wanted + 1 else f"{wanted} to {entry.seq - 1}"
            self._find(wanted, f"was removed: {gone} is not there, and {entry.seq} is next")
        elif entry.seq < wanted:
            self._find(entry.seq, f"was put in: entry {wanted} should be here")
        elif entry.previous != self.head.hash:
            self._find(
                entry.seq,
                f"does not follow entry {self.head.seq}: that one was written anew or put in, "
                "or one between them is gone",
            )
        if entry.right_hash != entry.hash:
            self._find(entry.seq, "was changed: its hash is not that of its content")
        heads = self._wanted.pop(entry.seq, set())
        if heads - {entry.hash}:
            self._find(
                entry.seq,
                "is not the one that a head tells of: it or one before it was written anew",
            )
        self.count += 1
        self.first_hash = self.first_hash or entry.hash
        if entry.seq >= wanted:
            self.head = entry.head

    def _find(self, seq: int, text: str) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(ChainFinding(seq, text))


def check_chain(entries: Iterable[Entry], heads: Sequence[Head] = ()) -> ChainCheck:
    """Checks a whole chain from its first entry on."""
    check = ChainCheck(heads)
    for _ in check.through(entries):
        pass
    return check


def check_kept(database: Database, heads: Sequence[Head] = ()) -> ChainCheck:
    """Checks a database's whole chain, and that it has what the head beside it tells of.

    Args:
        database: of the record.
        heads: further ones that the chain must have.

    Raises:
        ConfigurationError: the file of the head is damaged.
        RecordError: the database cannot be reached or read.
        OSError: the file of the head cannot be read.
    """
    # Before the chain is read, which may grow meanwhile.
    kept = KeptHead(database).read()
    return check_chain(entries_of(database), [*heads, *([kept] if kept else [])])
