"""Takes what is to be learned: one learning at a time, from its pictures to its version."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from takt.core.domain import Json
from takt.core.errors import ConflictError, LearningNotFoundError
from takt.learning.folder import LearningFolder, PictureBounds, abandoned
from takt.learning.job import LearningJob
from takt.learning.judged import NOTHING_JUDGED, GatheredJudged, RecordWork
from takt.learning.left import ENDED, MADE, MADE_ALL_THE_SAME, LeftJob, left_in
from takt.learning.obstacles import Obstacle, obstacles
from takt.learning.process import LEARN
from takt.learning.wish import Wish
from takt.learning.work import Asker, LearningWork, OpenLearning
from takt.recording.audit.entry import Change
from takt.recording.review.teachable import Teachable
from takt.settings import Settings

_KEPT_JOBS: Final = 10
"""So many learnings that are over are remembered."""

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

logger = logging.getLogger("takt.learning")


class LearningDesk:
    """Gathers pictures and has `takt learn` run, one learning at a time; used on one event loop.

    Args:
        settings: of the server; pictures wait in the folder `learning` of its `data_folder`.
        note: appends to the audit log.
        records: threads of the record, whose judged pictures teach.
        made: called when a version was made, so that it is looked for.
        active: finds the active version of a model.
        goes_on: whether another process of the server goes on where this one ends.

    Attributes:
        bounds: of the pictures.
        command: `takt learn`.
        stands_against: finds what keeps this server from learning.
        begun: set once what was left over is taken over, or cannot be.
    """

    def __init__(
        self,
        settings: Settings,
        note: Callable[[Change], Awaitable[None]],
        records: RecordWork,
        made: Callable[[], None],
        active: Callable[[str], str | None],
        goes_on: Callable[[], Awaitable[bool]],
    ) -> None:
        self.bounds = PictureBounds(settings.max_image_pixels)
        self.command: Sequence[str] = LEARN
        self.stands_against: Callable[[Path, Path], tuple[Obstacle, ...]] = obstacles
        self.begun = asyncio.Event()
        self._repository = settings.repository_folder.absolute()
        self._data_folder = settings.data_folder.absolute()
        self._folder = self._data_folder / "learning"
        self._goes_on = goes_on
        self._work = LearningWork(self._repository, note, records, made, active)
        self._jobs: dict[str, LearningJob] = {}
        self._open: OpenLearning | None = None
        self._changing = asyncio.Lock()

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
        return await self._work.do(lambda: self.stands_against(self._repository, self._data_folder))

    async def begin(self) -> None:
        """Take over the learning that a killed server has left, or the worker that led before.

        It has failed, and keeps its files.

        The audit log has the end of each that ran. Of several, the last one is taken.
        """
        try:
            await self._take_over_all()
        finally:
            self.begun.set()

    async def _take_over_all(self) -> None:
        async with self._changing:
            folders = await self._work.do(
                lambda: [*abandoned(self._folder, self._repository, self.bounds)]
            )
            left = [(found, folder) for folder in folders if (found := left_in(folder.path))]
            left.sort(key=lambda one: one[0].created_at)
            taken = [
                (one, folder) for one, folder in left if one.state == "running" or folder.count
            ]
            kept = taken[-1][1] if taken and self._open is None else None
            for one, folder in left:
                over = OpenLearning(one.job, folder, Asker(one.asked_by, one.client))
                await self._take_over(over, one, keeps=folder is kept)
            for folder in folders:
                if folder is not kept:
                    await self._work.do(partial(folder.remove, self._repository))

    async def _take_over(self, found: OpenLearning, left: LeftJob, *, keeps: bool) -> None:
        """Have a learning that was left over, with its end in the audit log if it ran."""
        job, folder = found.job, found.folder
        if left.state == "done":
            job.place = folder.place
            job.error = MADE.format(job.place)
        if left.state == "running":
            job.place = folder.place
            job.error = self._made_all_the_same(job) or job.error
        if keeps:
            if job.wish.teach:
                await self._work.do(folder.forget_pictures)
            job.pictures, job.bytes = folder.count, folder.bytes
            self._jobs[job.id], self._open = job, found
        if left.state == "running":
            logger.warning("%s was not learned: %s", job.wish.model, job.error)
            # Before it is noted, so that a further kill makes no second end of it.
            await self._work.keep(found)
            await self._work.tell(found, "learning_failed", {"error": job.error})

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
            self._open = OpenLearning(job, folder, asker)
            self._jobs[job.id] = job
            await self._work.keep(self._open)
            for one in self.jobs[_KEPT_JOBS:]:
                del self._jobs[one.id]
            return job

    async def _folder_for(self, job: LearningJob) -> LearningFolder:
        """A new one, or that of the former learning with its pictures."""
        former, number = self._open, job.wish.pictures_of
        if number is not None and self.job(number) is not (former.job if former else None):
            raise ConflictError(_PICTURES_GONE.format(number))
        if former is not None:
            await self._work.ended(former)
        if number is None or former is None:
            if former is not None:
                await self._put_away(former)
            return await self._work.do(lambda: LearningFolder(self._folder / job.id, self.bounds))
        folder, self._open, former.job.pictures_kept = former.folder, None, False
        await self._work.do(lambda: folder.begin_again(self._repository))
        job.pictures, job.bytes = folder.count, folder.bytes
        return folder

    async def check_room(self, number: str, size: int) -> None:
        """Refuse a picture of so many bytes before it is read, as `add` does.

        Raises:
            LearningNotFoundError, ConflictError, NoRoomError: it will not be taken.
        """
        found = self._taking_single(number)
        await self._work.do(lambda: found.folder.check_room(size))

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
        is_new = await self._work.do(lambda: found.folder.add(name, data))
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
            found.gathering = asyncio.create_task(self._work.gather(found))
            # Whether or not anybody is there to hear why it failed.
            found.gathering.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(found.gathering)

    async def teachable(self, model: str, since_us: int | None = None) -> Teachable:
        """How many judged pictures of a model there are; see `LearningWork.teachable`."""
        return await self._work.teachable(model, since_us)

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
            await self._work.do(found.folder.begin)
            await self._work.keep(found)
            asked = {"update": job.wish.update, "family": job.wish.family} | asked
            await self._work.tell(found, "learning_started", asked)
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
            await self._work.ended(found)
            if job.under_way:
                job.end("cancelled")
                await self._work.tell(found, "learning_cancelled")
            else:
                del self._jobs[number]
            await self._put_away(found)
            return job

    async def close(self) -> None:
        """End what runs, with its end in the audit log, and remove its files.

        Where another process of the server goes on, it takes all of that over by `begin`.
        """
        async with self._changing:
            if (found := self._open) is not None:
                await self._work.ended(found)
                if await self._goes_on():
                    await self._work.do(found.folder.leave)
                    self._open = None
                else:
                    await self._forget(found)
        self._work.close()

    async def _forget(self, found: OpenLearning) -> None:
        """Remove what there is of a learning that is ended."""
        if (job := found.job).state == "running":
            job.end("failed", self._made_all_the_same(job) or ENDED)
            await self._work.tell(found, "learning_failed", {"error": job.error})
        await self._put_away(found)

    def _made_all_the_same(self, job: LearningJob) -> str | None:
        """What there is to say of a learning that was interrupted once its version was there."""
        if job.place is None or not (self._repository / job.wish.model / job.place).is_dir():
            return None
        return MADE_ALL_THE_SAME.format(job.place)

    def _taking(self, number: str) -> OpenLearning:
        job = self.job(number)
        if self._open is None or self._open.job is not job or not job.takes_pictures:
            raise ConflictError(f"this learning is {job.state}; make another one")
        return self._open

    def _taking_single(self, number: str) -> OpenLearning:
        found = self._taking(number)
        if found.job.wish.teach:
            raise ConflictError(_TAUGHT_BY_JUDGING.format(number))
        return found

    async def _begins_with(self, found: OpenLearning) -> Json:
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
        judged = job.gathered or await self._work.teachable(job.wish.model)
        if not judged.defects:
            raise ConflictError(NOTHING_JUDGED.format(job.wish.model))
        return {"teach": True, "defects": judged.defects, "good": judged.good}

    async def _run(self, found: OpenLearning) -> None:
        """Learn; what nobody needs any more goes."""
        if await self._work.run(found, self.command):
            await self._put_away(found)

    async def _put_away(self, found: OpenLearning) -> None:
        """Removes the files of a learning, once."""
        if self._open is found:
            self._open, found.job.pictures_kept = None, False
            await self._work.do(lambda: found.folder.remove(self._repository))
