"""What a killed server has left of a learning: a file beside the pictures says what it was."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from takt.core.bundles.files import write_atomically
from takt.learning.job import LearningJob, LearningState
from takt.learning.wish import Wish

_FILE: Final = "job.json"
_ID: Final = re.compile(r"[0-9a-f]{16}")

KILLED: Final = (
    "the server, or its process that led, was ended while it was learning; start it again with the "
    "same pictures, or discard it"
)
"""Why a learning has failed that ran."""

ENDED: Final = (
    "the server was ended in good order while it was learning, which removes its pictures; make it "
    "again"
)
"""Why one has failed that ran as its server ended."""

NOT_STARTED: Final = (
    "the server was ended before this was started; start it with the pictures that came, or "
    "discard it"
)
"""Why one has failed that took pictures."""

MADE_ALL_THE_SAME: Final = (
    "the server was ended before it could say what came of it, but its version {} is there; look "
    "at that one, and discard this"
)
"""Why one has failed that had come to its end."""

MADE: Final = (
    "it made version {}, but the server was ended since, and what was told of it is not known any "
    "more; look at that version, and discard this or go on with its pictures"
)
"""Why one has failed that was over by then."""


@dataclass(frozen=True, slots=True)
class LeftJob:
    """A learning, as its file has it.

    Attributes:
        id: of the learning.
        wish: what was asked.
        by: name of who made it.
        state: in which it was.
        created_at: UTC, ISO 8601.
        started_at: when it was started last.
        error: why it had failed.
        asked_by: name of who asked last.
        client: address of that one, if it is known.
    """

    id: str
    wish: Wish
    by: str
    state: LearningState
    created_at: str
    started_at: str | None
    error: str | None
    asked_by: str
    client: str | None

    @property
    def job(self) -> LearningJob:
        """The learning, over for now."""
        job = LearningJob(
            self.wish,
            self.by,
            id=self.id,
            created_at=self.created_at,
            started_at=self.started_at,
        )
        why = {"running": KILLED, "failed": self.error}.get(self.state, NOT_STARTED)
        job.end("failed", why)
        return job


_LEFT = TypeAdapter(LeftJob)


def keep_job(folder: Path, job: LearningJob, asked_by: str, client: str | None) -> None:
    """Write what a learning is, in case its server is killed.

    Args:
        folder: of the learning.
        job: the learning.
        asked_by: name of who asked last.
        client: address of that one, if it is known.

    Raises:
        OSError: the disk does not take it.
    """
    left = LeftJob(
        *(job.id, job.wish, job.by, job.state, job.created_at, job.started_at, job.error),
        *(asked_by, client),
    )
    write_atomically(folder / _FILE, json.dumps(asdict(left)).encode(), 0o600)


def left_in(folder: Path) -> LeftJob | None:
    """The learning of a folder; None where nobody can say what it was."""
    with contextlib.suppress(OSError, ValidationError):
        left = _LEFT.validate_json((folder / _FILE).read_bytes())
        # Of one that goes on with the pictures of another the folder has that one's name.
        if _ID.fullmatch(left.id):
            return left
    return None
