"""Takes what is to be learned: one learning at a time, from its pictures to its version."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from service.core.domain import Json
from service.core.errors import ConflictError, LearningNotFoundError, TaktError
from service.core.host import free_memory_bytes, let_others_go_first, usable_cores
from service.learning.folder import LearningFolder, PictureBounds, abandoned
from service.learning.job import LearningJob
from service.learning.judged import NOTHING_JUDGED, GatheredJudged, RecordWork, gather_judged
from service.learning.left import MADE_ALL_THE_SAME, LeftJob, keep_job, left_in
from service.learning.obstacles import Obstacle, obstacles
from service.learning.process import LEARN, run_to_its_end
from service.learning.wish import Wish
from service.recording.audit.entry import Change
from service.recording.record import Record
from service.recording.review.folders import MOST_TAUGHT
from service.recording.review.teachable import Teachable, teachable
from service.settings import Settings

_KEPT_JOBS: Final = 10
"""So many learnings that are over are remembered."""

_MEMORY_SHARE = 0.9
"""Most of the memory that is left which a learning takes."""
_TAUGHT_BY_JUDGING = (
    "this learning is taught by what people have judged: judge the picture in the record, from "
    "which POST /v1/learning/{}/pictures/from-record gathers, or make a learning without teach"
)
_GATHERING = "its judged pictures are being gathered; start it once they are there"
_UNTAUGHT = "this learning takes the pictures that are sent; make one with teach for judged ones"

_PICTURES_GONE = (
    "the pictures of learning {} are not there any more: they stay until it is forgotten, or "
    "another one is made; make a learning without pictures_of, and send them again"
)

_GONE = "this server has no learning {}; GET /v1/learning lists those that it remembers"

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
class _Open:
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


class LearningDesk:
    """Gathers pictures and has `takt learn` run, one learning at a time; used on one event loop.

    Args:
        repository: folder of the models.
        data_folder: pictures wait in its folder `learning`.
        bounds: of the pictures.
        note: appends to the audit log.
        records: threads of the record, whose judged pictures teach.
        made: called when a version was made, so that it is looked for.
        command: `takt learn`.
        stands_against: finds what keeps this server from learning.
        active: finds the active version of a model.
    """

    def __init__(
        self,
        repository: Path,
        data_folder: Path,
        bounds: PictureBounds,
        note: Callable[[Change], Awaitable[None]],
        records: RecordWork,
        made: Callable[[], None] = lambda: None,
        command: Sequence[str] = LEARN,
        stands_against: Callable[[Path, Path], tuple[Obstacle, ...]] = obstacles,
        active: Callable[[str], str | None] = lambda model: None,
    ) -> None:
        self.bounds = bounds
        self.command = command
        self.stands_against = stands_against
        self._repository = repository.absolute()
        self._data_folder = data_folder.absolute()
        self._folder = self._data_folder / "learning"
        self._note = note
        self._made = made
        self._records = records
        self._active = active
        self._jobs: dict[str, LearningJob] = {}
        self._open: _Open | None = None
        self._changing = asyncio.Lock()
        self._pool = ThreadPoolExecutor(
            1, thread_name_prefix="learning", initializer=let_others_go_first
        )

    @property
    def jobs(self) -> list[LearningJob]:
        """The learnings that are remembered, the newest first."""
        return list(reversed(self._jobs.values()))

    def job(self, number: str) -> LearningJob:
        """A learning by its id.

        Raises:
            LearningNotFoundError: there is none.
        """
        if (found := self._jobs.get(number)) is None:
            raise LearningNotFoundError(_GONE.format(number))
        return found

    async def obstacles(self) -> tuple[Obstacle, ...]:
        """What keeps this server from learning."""
        return await self._do(lambda: self.stands_against(self._repository, self._data_folder))

    async def begin(self) -> None:
        """Take over the learning that a killed server has left; it has failed, and keeps its files.

        The audit log has the end of each that ran. Of several, the last one is taken.
        """
        async with self._changing:
            folders = await self._do(
                lambda: [*abandoned(self._folder, self._repository, self.bounds)]
            )
            left = [(found, folder) for folder in folders if (found := left_in(folder.path))]
            left.sort(key=lambda one: one[0].created_at)
            taken = [
                (one, folder) for one, folder in left if one.state == "running" or folder.count
            ]
            kept = taken[-1][1] if taken and self._open is None else None
            for one, folder in left:
                over = _Open(one.job, folder, Asker(one.asked_by, one.client))
                await self._take_over(over, one, keeps=folder is kept)
            for folder in folders:
                if folder is not kept:
                    await self._do(partial(folder.remove, self._repository))

    async def _take_over(self, found: _Open, left: LeftJob, *, keeps: bool) -> None:
        """Have a learning that was left over, with its end in the audit log if it ran."""
        job, folder = found.job, found.folder
        if left.state == "running":
            job.place = folder.place
            if job.place is not None and (self._repository / job.wish.model / job.place).is_dir():
                job.error = MADE_ALL_THE_SAME.format(job.place)
        if keeps:
            if job.wish.teach:
                await self._do(folder.forget_pictures)
            job.pictures, job.bytes = folder.count, folder.bytes
            self._jobs[job.id], self._open = job, found
        if left.state == "running":
            logger.warning("%s was not learned: %s", job.wish.model, job.error)
            # Before it is noted, so that a further kill makes no second end of it.
            await self._keep(found)
            await self._tell(found, "learning_failed", {"error": job.error})

    async def create(self, wish: Wish, asker: Asker) -> LearningJob:
        """A new learning, which takes pictures; one that is over makes room for it.

        Raises:
            ConflictError: another one is under way, or this server cannot learn; or the pictures
                that it is to begin with are gone.
            LearningNotFoundError: nobody knows the learning that they are of.
        """
        async with self._changing:
            if self._open is not None and self._open.job.under_way:
                job = self._open.job
                raise ConflictError(
                    f"{job.by} is learning {job.wish.model} already ({job.state}); wait for its "
                    f"end, or end it with DELETE /v1/learning/{job.id}"
                )
            if against := await self.obstacles():
                raise ConflictError(against[0].detail)
            job = LearningJob(wish, asker.name)
            folder = await self._folder_for(job)
            self._open = _Open(job, folder, asker)
            self._jobs[job.id] = job
            await self._keep(self._open)
            for one in self.jobs[_KEPT_JOBS:]:
                del self._jobs[one.id]
            return job

    async def _folder_for(self, job: LearningJob) -> LearningFolder:
        """A new one, or that of the former learning with its pictures."""
        former, number = self._open, job.wish.pictures_of
        if number is not None and self.job(number) is not (former.job if former else None):
            raise ConflictError(_PICTURES_GONE.format(number))
        if former is not None:
            await self._ended(former)
        if number is None or former is None:
            if former is not None:
                await self._put_away(former)
            return await self._do(lambda: LearningFolder(self._folder / job.id, self.bounds))
        folder, self._open, former.job.pictures_kept = former.folder, None, False
        await self._do(lambda: folder.begin_again(self._repository))
        job.pictures, job.bytes = folder.count, folder.bytes
        return folder

    async def check_room(self, number: str, size: int) -> None:
        """Refuse a picture of so many bytes before it is read, as `add` does.

        Raises:
            LearningNotFoundError, ConflictError, NoRoomError: it will not be taken.
        """
        found = self._taking_single(number)
        await self._do(lambda: found.folder.check_room(size))

    async def add(self, number: str, name: str, data: bytes) -> bool:
        """Give a learning a picture; tells whether it is new.

        Raises:
            LearningNotFoundError: there is no such learning.
            ConflictError: it takes no pictures any more, or is taught by judged ones.
            NoRoomError: there is no room for it.
            ImageTooLargeError, InvalidImageError, UnsupportedImageError: it is no picture that is
                served.
        """
        found = self._taking_single(number)
        is_new = await self._do(lambda: found.folder.add(name, data))
        job, folder = found.job, found.folder
        job.pictures, job.bytes, job.duplicates = folder.count, folder.bytes, folder.duplicates
        return is_new

    async def gather(self, number: str) -> GatheredJudged:
        """Give a teaching the judged pictures of its model, instead of those that it has.

        It goes on where whoever asked does not wait for it.

        Raises:
            LearningNotFoundError: there is no such learning.
            ConflictError: it is under way or over, or takes no judged pictures; no picture that is
                judged a defect is there; or the pictures are being gathered already.
            NoRecordError: there is no record.
            NoRoomError, RecordError, ConfigurationError: they cannot be gathered.
        """
        async with self._changing:
            found = self._taking(number)
            if not found.job.wish.teach:
                raise ConflictError(_UNTAUGHT)
            if found.gathers:
                raise ConflictError(_GATHERING)
            found.gathering = asyncio.create_task(self._gather(found))
            # Whether or not anybody is there to hear why it failed.
            found.gathering.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(found.gathering)

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

    async def start(self, number: str, asker: Asker) -> LearningJob:
        """Learn from the pictures that were gathered; a teaching gathers them if nobody did.

        Raises:
            LearningNotFoundError: there is no such learning.
            ConflictError: it has no pictures, or is under way or over.
            NoRecordError, RecordError: there is no record to be taught by, or it cannot be read.
        """
        async with self._changing:
            found = self._taking(number)
            job = found.job
            asked = await self._begins_with(found)
            job.begin()
            found.asker = asker
            await self._keep(found)
            await self._do(lambda: found.folder.close_to_pictures(True))
            asked = {"update": job.wish.update, "family": job.wish.family} | asked
            await self._tell(found, "learning_started", asked)
            found.running = asyncio.create_task(self._run(found))
            return job

    async def discard(self, number: str, asker: Asker) -> LearningJob:
        """End a learning, and remove its files; one that is over is forgotten.

        Raises:
            LearningNotFoundError: there is no such learning.
        """
        async with self._changing:
            job, found = self.job(number), self._open
            if found is None or found.job is not job:
                del self._jobs[number]
                return job
            found.asker = asker
            await self._ended(found)
            if job.under_way:
                job.end("cancelled")
                await self._tell(found, "learning_cancelled")
            else:
                del self._jobs[number]
            await self._put_away(found)
            return job

    async def close(self) -> None:
        """End what runs, and remove its files."""
        async with self._changing:
            if (found := self._open) is not None:
                await self._ended(found)
                await self._put_away(found)
        self._pool.shutdown()

    def _taking(self, number: str) -> _Open:
        job = self.job(number)
        if self._open is None or self._open.job is not job or not job.takes_pictures:
            raise ConflictError(f"this learning is {job.state}; make another one")
        return self._open

    def _taking_single(self, number: str) -> _Open:
        found = self._taking(number)
        if found.job.wish.teach:
            raise ConflictError(_TAUGHT_BY_JUDGING.format(number))
        return found

    async def _begins_with(self, found: _Open) -> Json:
        """The pictures that there are to begin with, as the audit log has them.

        Raises:
            ConflictError: there are none, or not yet.
        """
        job = found.job
        if not job.wish.teach:
            if not job.pictures:
                raise ConflictError("there is nothing to learn from: send pictures first")
            return {"pictures": job.pictures}
        if found.gathers:
            raise ConflictError(_GATHERING)
        judged = job.gathered or await self.teachable(job.wish.model)
        if not judged.defects:
            raise ConflictError(NOTHING_JUDGED.format(job.wish.model))
        return {"teach": True, "defects": judged.defects, "good": judged.good}

    async def _gather(self, found: _Open) -> GatheredJudged:
        """Gathers the judged pictures of a teaching; returns once no thread is at it any more."""
        job, folder = found.job, found.folder
        version = self._active(job.wish.model)
        await self._do(folder.forget_pictures)
        job.has(None)
        most_bytes = await self._do(folder.room)
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
                most=min(MOST_TAUGHT, self.bounds.pictures),
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
        await self._do(lambda: folder.take_gathered(gathered.pictures, gathered.bytes))
        job.has(gathered)
        return gathered

    async def _run(self, found: _Open) -> None:
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
                await self._gather(found)
            command = (*self.command, *arguments)
            # What is left is for pictures of the line as well, and the kernel needs some.
            most_bytes = int(_MEMORY_SHARE * free_memory_bytes())
            code = await run_to_its_end(command, folder.path, told, job.log.append, most_bytes)
        except TaktError as error:
            code, job.error = -1, str(error)
        except Exception as error:
            logger.exception("takt learn could not be run")
            code, job.error = -1, f"takt learn could not be run: {error}"
        if code == 0 and job.learned is not None:
            job.end("done")
            self._made()
            await self._tell(found, "version_learned", _learned_from(job))
            if job.wish.teach:
                await self._put_away(found)
            else:
                # They stay, so that another setting can be tried with them.
                await self._do(lambda: folder.remove_leftovers(self._repository))
            return
        reason = job.error or _last_words(job.log) or f"takt learn ended with {code}"
        logger.warning("%s was not learned: %s", job.wish.model, reason)
        # The pictures stay, as those of a camera are nowhere else: a few more may be all it needs.
        await self._do(lambda: folder.remove_leftovers(self._repository))
        if job.wish.teach:
            # Those of the record can be had again, with what was judged meanwhile.
            await self._do(folder.forget_pictures)
            job.has(None)
        await self._do(lambda: folder.close_to_pictures(False))
        job.end("failed", reason)
        await self._keep(found)
        await self._tell(found, "learning_failed", {"error": reason})

    async def _ended(self, found: _Open) -> None:
        """Ends what a learning does, and waits for its end."""
        if found.gathers and found.gathering is not None:
            found.gathering.cancel()
            await asyncio.wait({found.gathering})
        if found.running is not None:
            if found.job.state == "running":
                found.running.cancel()
            await asyncio.wait({found.running})

    async def _put_away(self, found: _Open) -> None:
        """Removes the files of a learning, once."""
        if self._open is found:
            self._open, found.job.pictures_kept = None, False
            await self._do(lambda: found.folder.remove(self._repository))

    async def _keep(self, found: _Open) -> None:
        """Write what a learning is, for the server after one that is killed."""
        job, asker, path = found.job, found.asker, found.folder.path
        try:
            await self._do(lambda: keep_job(path, job, asker.name, asker.client))
        except OSError as error:
            logger.warning(
                "a kill would lose this learning, as %s cannot be written: %s", path, error
            )

    async def _tell(self, found: _Open, action: str, new: Json | None = None) -> None:
        job, asker = found.job, found.asker
        change = Change(asker.name, action, job.wish.model, job.place, new=new, client=asker.client)
        await self._note(change)

    async def _do(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


def open_desk(
    settings: Settings,
    note: Callable[[Change], Awaitable[None]],
    records: RecordWork,
    made: Callable[[], None],
    active: Callable[[str], str | None],
) -> LearningDesk:
    """The desk of a server; nothing is made or looked at yet."""
    return LearningDesk(
        settings.repository_folder,
        settings.data_folder,
        PictureBounds(settings.max_image_pixels),
        note,
        records,
        made,
        active=active,
    )


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
