"""The work of a learning: its judged pictures are gathered, and `takt learn` runs to its end."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from takt.core.domain import Json
from takt.core.errors import TaktError
from takt.core.host import free_memory_bytes, let_others_go_first, usable_cores
from takt.learning.folder import LearningFolder
from takt.learning.job import LearningJob
from takt.learning.judged import GatheredJudged, RecordWork, gather_judged
from takt.learning.left import keep_job
from takt.learning.process import run_to_its_end
from takt.recording.audit.entry import Change
from takt.recording.record import Record
from takt.recording.review.folders import MOST_TAUGHT
from takt.recording.review.teachable import Teachable, teachable

_MEMORY_SHARE = 0.9
"""Most of the memory that is left which a learning takes."""

Result = TypeVar("Result")

logger = logging.getLogger("takt.learning")


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks.

    Attributes:
        name: of the caller.
        client: address, if it is known.
    """

    name: str
    client: str | None = None


@dataclass(slots=True)
class OpenLearning:
    """A learning that has files."""

    job: LearningJob
    folder: LearningFolder
    asker: Asker
    running: asyncio.Task[None] | None = None
    gathering: asyncio.Task[GatheredJudged] | None = None

    @property
    def gathers(self) -> bool:
        """Whether somebody has asked for its judged pictures, and they are not there yet."""
        return self.gathering is not None and not self.gathering.done()


class _Stopped(Exception):
    """Nobody wants what is being gathered any more."""


class LearningWork:
    """Does what a learning needs done; used on one event loop.

    Args:
        repository: folder of the models.
        note: appends to the audit log.
        records: threads of the record, whose judged pictures teach.
        made: called when a version was made, so that it is looked for.
        active: finds the active version of a model.
    """

    def __init__(
        self,
        repository: Path,
        note: Callable[[Change], Awaitable[None]],
        records: RecordWork,
        made: Callable[[], None],
        active: Callable[[str], str | None],
    ) -> None:
        self._repository = repository
        self._note = note
        self._records = records
        self._made = made
        self._active = active
        self._pool = ThreadPoolExecutor(
            1, thread_name_prefix="learning", initializer=let_others_go_first
        )

    async def teachable(self, model: str, since_us: int | None = None) -> Teachable:
        """How many judged pictures of a model there are.

        Raises:
            NoRecordError: there is no record.
            RecordError: it cannot be read.
        """

        def count(record: Record) -> Teachable:
            with record.database.reading() as connection:
                return teachable(connection, model, since_us)

        return await self._records.run(count)

    async def gather(self, found: OpenLearning) -> GatheredJudged:
        """Gathers the judged pictures of a teaching; returns once no thread is at it any more."""
        job, folder = found.job, found.folder
        version = self._active(job.wish.model)
        await self.do(folder.forget_pictures)
        job.has(None)
        most_bytes = await self.do(folder.room)
        stopped = threading.Event()

        def told(done: int, pictures: int) -> None:
            if stopped.is_set():
                raise _Stopped
            job.gathers(done, pictures)

        def work(record: Record) -> GatheredJudged:
            return gather_judged(
                record,
                job.wish.model,
                version,
                folder.gathered,
                most=min(MOST_TAUGHT, folder.bounds.pictures),
                most_bytes=most_bytes,
                told=told,
            )

        working = asyncio.ensure_future(self._records.run(work))
        try:
            gathered = await asyncio.shield(working)
        except asyncio.CancelledError:
            # A thread cannot be ended, and what it writes would be left behind.
            stopped.set()
            await asyncio.gather(working, return_exceptions=True)
            raise
        finally:
            job.stage, job.detail = None, ""
        await self.do(lambda: folder.take_gathered(gathered.pictures, gathered.bytes))
        job.has(gathered)
        return gathered

    async def run(self, found: OpenLearning, command: Sequence[str]) -> bool:
        """Learn by a command, `takt learn`; tells whether the pictures are needed no more."""
        job, folder = found.job, found.folder
        # What a container may use in all is gone once it is used, whoever has priority.
        threads = max(1, usable_cores() - 1)
        arguments = job.wish.arguments(folder.pictures, self._repository, threads)

        def told(event: Json) -> None:
            before = job.place
            job.take(event)
            if job.place is not None and job.place != before:
                folder.note_place(job.wish.model, job.place)

        try:
            if job.wish.teach and job.gathered is None:
                await self.gather(found)
            # What is left is for pictures of the line as well, and the kernel needs some.
            most_bytes = int(_MEMORY_SHARE * free_memory_bytes())
            code = await run_to_its_end(
                (*command, *arguments), folder.path, told, job.log.append, most_bytes
            )
        except TaktError as error:
            code, job.error = -1, str(error)
        except Exception as error:
            logger.exception("takt learn could not be run")
            code, job.error = -1, f"takt learn could not be run: {error}"
        if code == 0 and job.learned is not None:
            job.end("done")
            self._made()
            # Before it is noted, so that a kill from now on makes no second end of it.
            await self.keep(found)
            await self.tell(found, "version_learned", _learned_from(job))
            if job.wish.teach:
                return True
            # They stay, so that another setting can be tried with them.
            await self.do(lambda: folder.remove_leftovers(self._repository))
            return False
        reason = job.error or _last_words(job.log) or f"takt learn ended with {code}"
        logger.warning("%s was not learned: %s", job.wish.model, reason)
        # The pictures stay, as those of a camera are nowhere else: a few more may be all it needs.
        await self.do(lambda: folder.remove_leftovers(self._repository))
        if job.wish.teach:
            # Those of the record can be had again, with what was judged meanwhile.
            await self.do(folder.forget_pictures)
            job.has(None)
        await self.do(lambda: folder.close_to_pictures(False))
        job.end("failed", reason)
        await self.keep(found)
        await self.tell(found, "learning_failed", {"error": reason})
        return False

    async def ended(self, found: OpenLearning) -> None:
        """Ends what a learning does, and waits for its end."""
        if found.gathers and found.gathering is not None:
            found.gathering.cancel()
            await asyncio.wait({found.gathering})
        if found.running is not None:
            if found.job.state == "running":
                found.running.cancel()
            await asyncio.wait({found.running})

    async def keep(self, found: OpenLearning) -> None:
        """Write what a learning is, for the server after one that is killed."""
        job, asker, path = found.job, found.asker, found.folder.path
        try:
            await self.do(lambda: keep_job(path, job, asker.name, asker.client))
        except OSError as error:
            logger.warning(
                "a kill would lose this learning, as %s cannot be written: %s", path, error
            )

    async def tell(self, found: OpenLearning, action: str, new: Json | None = None) -> None:
        """Append to the audit log what has become of a learning."""
        job, asker = found.job, found.asker
        change = Change(asker.name, action, job.wish.model, job.place, new=new, client=asker.client)
        await self._note(change)

    async def do(self, work: Callable[[], Result]) -> Result:
        """The result of work with files, which is done off the event loop, one at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Wait for what is being done with files."""
        self._pool.shutdown()


def _learned_from(job: LearningJob) -> Json:
    """What a version was learned from, as the audit log has it."""
    if (judged := job.gathered) is None:
        return {"pictures": job.pictures}
    counts = {"defects": judged.defects, "good": judged.good, "passed": judged.passed}
    return {"pictures": job.pictures, "teach": True, **counts}


def _last_words(log: Sequence[str]) -> str:
    """What a process said last.

    >>> _last_words(["Error: there is no folder x"])
    'there is no folder x'
    """
    return log[-1].removeprefix("Error: ") if log else ""
