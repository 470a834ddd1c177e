"""An entry of the audit log, and the hash by which the next one holds it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from typing import Final

from takt.core.domain import Json
from takt.recording.search.times import now_us

GENESIS: Final = "0" * 64
"""Stands for the hash before the first entry."""

LAST_SEQ: Final = (1 << 63) - 1
"""The largest number that a database takes."""

LAST_US: Final = 253_402_300_799_999_999
"""The end of the year 9999, in µs of Unix time."""

SERVER: Final = "server"
"""Who changed something, where the server did so by itself."""

FILE: Final = "file"
"""Who changed something, where a file says so and nobody knows who has written it."""

FOLDER: Final = "folder"
"""Who changed something, where versions came to the repository or went from it."""


STARTED: Final = "server_started"
LOADED: Final = "models_loaded"
WHOLE_STATES: Final = frozenset({STARTED, LOADED})
"""Entries that hold all that a server is and serves, at length: the log has their head alone."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was changed, before it is an entry.

    Attributes:
        who: name of the caller, which says where it is from; else `server`, `file` or `folder`.
        action: what was done, such as `threshold_changed`.
        model: whose; None where no model is concerned.
        version: of the model; None where none is concerned.
        old: what was so until now; None where there was nothing.
        new: what is so from now on; None where nothing is left.
        reason: why, as somebody gave it.
        client: address of who asked.
        at_us: when, in µs of Unix time.
    """

    who: str
    action: str
    model: str | None = None
    version: str | None = None
    old: Json | None = None
    new: Json | None = None
    reason: str | None = None
    client: str | None = None
    at_us: int = field(default_factory=now_us)

    def __post_init__(self) -> None:
        """Fail where the change is made, and not where it is stored.

        Raises:
            TypeError: `old` or `new` is no JSON.
        """
        for value in (self.old, self.new):
            _json(value)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the chain, as the table has it.

    Attributes:
        seq: 1 for the first entry, and one more for each further one.
        at_us: when the change was made, in µs of Unix time.
        server: that appended it, by its host and port; a command's is its host.
        who: who made it.
        action: what was done.
        model: whose, if any.
        version: of the model, if any.
        old: JSON of what was so until then, if anything.
        new: JSON of what was so from then on, if anything.
        reason: why, if that was given.
        client: address of who asked, if anybody did.
        previous: hash of the entry before; `GENESIS` for the first one.
        hash: of this entry.
    """

    seq: int
    at_us: int
    server: str
    who: str
    action: str
    model: str | None
    version: str | None
    old: str | None
    new: str | None
    reason: str | None
    client: str | None
    previous: str
    hash: str

    @property
    def head(self) -> Head:
        """What tells of this entry and all before it."""
        return Head(self.seq, self.hash)

    @property
    def right_hash(self) -> str:
        """The hash that its content has; another one than `hash` if it was changed."""
        content = asdict(self)
        del content["hash"]
        return hash_of(content)


@dataclass(frozen=True, slots=True)
class Head:
    """Number and hash of an entry, which hold it and every entry before it.

    >>> Head.parse("7:" + "ab" * 32).seq
    7
    """

    seq: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Head:
        """A head as it is written: `SEQ:HASH`.

        Raises:
            ValueError: it is none.
        """
        found = re.fullmatch(r"([1-9][0-9]{0,18}):([0-9a-f]{64})", text.strip().lower())
        if found is None:
            raise ValueError("a head is SEQ:HASH, a number and 64 hexadecimal digits")
        return cls(int(found[1]), found[2])

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


def hash_of(content: Json) -> str:
    """SHA-256 of an entry's canonical form, in hex.

    The form is one JSON object of every column but `hash`: keys in order, no spaces, everything
    beyond ASCII escaped. `old` and `new` are texts in it, as the table has them.

    >>> hash_of({"seq": 1, "previous": GENESIS})[:16]
    'be79e2e77e80a70c'
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def entry_of(change: Change, seq: int, previous: str, server: str) -> Entry:
    """The entry that a change becomes as number `seq`."""
    content: Json = {
        "seq": seq,
        "at_us": change.at_us,
        "server": _storable(server),
        "who": _storable(change.who),
        "action": change.action,
        "model": _storable(change.model),
        "version": _storable(change.version),
        "old": _json(change.old),
        "new": _json(change.new),
        "reason": _storable(change.reason),
        "client": _storable(change.client),
        "previous": previous,
    }
    return Entry(**content, hash=hash_of(content))


def _storable(text: str | None) -> str | None:
    """A text that every database takes: PostgreSQL has no NUL, and UTF-8 no lone surrogates."""
    if text is None:
        return None
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _json(value: Json | None) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True, separators=(",", ":"))
