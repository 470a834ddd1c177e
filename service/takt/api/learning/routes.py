"""`/v1/learning`: from pictures of good parts to a new version, beside the server's work."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field

from takt.api.bodies import Bodies
from takt.api.examples import (
    FOREIGN_PAGE,
    MEMORY_FULL,
    NO_MODEL,
    NOT_LED,
    SLOW_BODY,
    TOO_MANY_UPLOADS,
)
from takt.api.given import QueryIn
from takt.api.json_body import described_body, read_json
from takt.api.learning.gathering import Gathered, gather, good_ones
from takt.api.learning.schemas import (
    GatheredOut,
    GivenOut,
    LearningBoundsOut,
    LearningIn,
    LearningJobOut,
    LearningOut,
    LearningsOut,
    ObstacleOut,
    TeachableOut,
)
from takt.api.learning.standing import counts_out, job_out, signing_text
from takt.api.learning.teaching import (
    check_teachable,
    left_out,
    refuse_filters,
    teachable_out,
)
from takt.api.problems import (
    caller_of,
    client_of,
    problem_responses,
    request_id_of,
    share_of,
)
from takt.api.records.filters import FiltersIn
from takt.api.records.problems import NO_RECORD, UNREACHABLE
from takt.api.records.threads import RecordThreads
from takt.api.request_context import DECLARED_BYTES_KEY
from takt.api.schemas import BYTES
from takt.core.errors import (
    ConflictError,
    ImageTooLargeError,
    InvalidImageError,
    InvalidParameterError,
    LearningNotFoundError,
    NoRoomError,
    UnavailableError,
    UnsupportedImageError,
    UploadTooSlowError,
)
from takt.core.naming import NAME_PATTERN
from takt.learning.desk import LearningDesk
from takt.learning.job import LearningJob
from takt.learning.work import Asker
from takt.peers import UNLED, Peers
from takt.repository.repository import ModelRepository
from takt.settings import Settings

LearningId = Annotated[str, Path(alias="id", description="Of the learning.")]


class TaughtModelIn(QueryIn):
    """Which model is to be taught."""

    model: str = Field(pattern=NAME_PATTERN, description="Name of the model.")


class PictureNameIn(QueryIn):
    """What a picture is called."""

    name: str = Field("", max_length=256, description="Of its file; messages may show it.")


_PICTURE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A JPEG, PNG, BMP, WebP or TIFF of a good part, as the raw body.",
        "content": {"application/octet-stream": BYTES, "image/*": BYTES},
    }
}
_BODY = described_body(LearningIn, required=True)
_NONE = LearningNotFoundError(
    "this server has no learning 7; GET /v1/learning lists those that it remembers"
)
_OF_ONE = problem_responses(_NONE)
_CHANGED = problem_responses(_NONE, FOREIGN_PAGE)
_OVER = ConflictError("this learning is done; make another one")
_TEACHABLE = problem_responses(
    NO_MODEL, NO_RECORD, UNREACHABLE, NOT_LED, InvalidParameterError("model: Field required")
)
_MADE = problem_responses(
    NO_MODEL,
    NO_RECORD,
    FOREIGN_PAGE,
    SLOW_BODY,
    InvalidParameterError("model: Field required"),
    ConflictError(
        "ann is learning parts already (running); wait for its end, or end it with DELETE "
        "/v1/learning/35c7ec6c827545eb"
    ),
)
_STARTED = problem_responses(
    _NONE,
    NO_RECORD,
    FOREIGN_PAGE,
    ConflictError("there is nothing to learn from: send pictures first"),
    UNREACHABLE,
    NOT_LED,
)
_NO_ROOM = NoRoomError("there are 5000 pictures, as many as may be; start with these")
_GIVEN = problem_responses(
    _NONE,
    FOREIGN_PAGE,
    _OVER,
    InvalidImageError("there is no picture: the body is empty"),
    InvalidParameterError("name: String should have at most 256 characters"),
    UploadTooSlowError(
        "the body was not there within 10 s; send a smaller picture, or raise upload_timeout_s"
    ),
    ImageTooLargeError(
        "the body exceeds 67108864 bytes; send a smaller picture, or raise max_image_bytes"
    ),
    UnsupportedImageError("the body is a GIF; send JPEG, PNG, BMP, WebP or TIFF"),
    TOO_MANY_UPLOADS,
    MEMORY_FULL,
    _NO_ROOM,
)
_GATHERED = problem_responses(
    _NONE,
    NO_RECORD,
    FOREIGN_PAGE,
    _OVER,
    UNREACHABLE,
    NOT_LED,
    InvalidParameterError(
        "judgement: a model is learned from good parts; ask for those judged good"
    ),
    _NO_ROOM,
)


def learning_router(
    desk: LearningDesk,
    bodies: Bodies,
    threads: RecordThreads,
    repository: ModelRepository,
    settings: Settings,
    peers: Peers,
) -> APIRouter:
    """The routes of learning, which the worker that leads answers.

    Args:
        desk: does what they ask for.
        bodies: reads pictures.
        threads: work on the record.
        repository: the models.
        settings: of the server.
        peers: its other workers.
    """

    async def check_lead() -> None:
        if not peers.leading.is_set():
            raise UnavailableError(UNLED, retry_after_s=1)
        # A moment; until then nobody knows what the worker that led before has left.
        await desk.begun.wait()

    router = APIRouter(
        tags=["learning"],
        dependencies=[Depends(check_lead)],
        responses=problem_responses(NOT_LED),
    )
    signed = settings.trusted_keys is not None

    def out(job: LearningJob) -> LearningJobOut:
        return job_out(job, repository, settings)

    def answer(request: Request, job: LearningJob) -> LearningOut:
        found = out(job).model_dump()
        return LearningOut(request_id=request_id_of(request.scope), **found)

    @router.get("/v1/learning")
    async def list_learnings() -> LearningsOut:
        """List the learnings that are remembered, and what keeps this server from learning."""
        return LearningsOut(
            jobs=[out(job) for job in desk.jobs],
            obstacles=[ObstacleOut.model_validate(one) for one in await desk.obstacles()],
            signing=signing_text(settings, "MODEL", "VERSION") if signed else None,
            bounds=LearningBoundsOut(pictures=desk.bounds.pictures, bytes=desk.bounds.bytes),
        )

    @router.post("/v1/learning", status_code=201, responses=_MADE, openapi_extra=_BODY)
    async def create_learning(request: Request) -> LearningOut:
        """Make a learning, which takes pictures and is started then; there is one at a time."""
        wish = (await read_json(request, LearningIn)).wish()
        if wish.update:
            repository.model(wish.model)
        if wish.teach:
            threads.check()
            check_teachable(wish.model, repository)
        return answer(request, await desk.create(wish, _asker(request)))

    # Before the route of an id, which would take its name for one.
    @router.get("/v1/review/teachable", responses=_TEACHABLE)
    async def get_teachable(
        request: Request, query: Annotated[TaughtModelIn, Query()]
    ) -> TeachableOut:
        """How many judged pictures of a model there are to teach it with; nothing is opened."""
        return await teachable_out(query.model, request_id_of(request.scope), desk, repository)

    @router.get("/v1/learning/{id}", responses=_OF_ONE)
    async def get_learning(request: Request, number: LearningId) -> LearningOut:
        """One learning: how far it is, and what came of it."""
        return answer(request, desk.job(number))

    @router.delete("/v1/learning/{id}", responses=_CHANGED)
    async def discard_learning(request: Request, number: LearningId) -> LearningOut:
        """End a learning, and remove its pictures; one that is over is forgotten."""
        return answer(request, await desk.discard(number, _asker(request)))

    @router.post("/v1/learning/{id}/start", responses=_STARTED)
    async def start_learning(request: Request, number: LearningId) -> LearningOut:
        """Learn from the pictures that were given, by a process behind the server's work.

        A teaching gathers the judged pictures of its model first, unless they are there.
        """
        return answer(request, await desk.start(number, _asker(request)))

    _add_pictures(router, desk, bodies, threads)
    return router


def _add_pictures(
    router: APIRouter, desk: LearningDesk, bodies: Bodies, threads: RecordThreads
) -> None:
    """Add the routes by which a learning gets its pictures."""

    def counts(request: Request, job: LearningJob) -> dict[str, Any]:
        return {
            "request_id": request_id_of(request.scope),
            "pictures": job.pictures,
            "bytes": job.bytes,
            "duplicates": job.duplicates,
        }

    @router.post("/v1/learning/{id}/pictures", responses=_GIVEN, openapi_extra=_PICTURE)
    async def give_picture(
        request: Request, number: LearningId, query: Annotated[PictureNameIn, Query()]
    ) -> GivenOut:
        """Give a learning a picture of a good part; a copy of another one is left out."""
        await desk.check_room(number, request.scope.get(DECLARED_BYTES_KEY, 0))
        with bodies.memory.encoded() as held:
            data = await bodies.read(request, held, share_of(request.scope))
            new = await desk.add(number, query.name, data)
        return GivenOut(new=new, **counts(request, desk.job(number)))

    @router.post("/v1/learning/{id}/pictures/from-record", responses=_GATHERED)
    async def give_recorded_pictures(
        request: Request, number: LearningId, query: Annotated[FiltersIn, Query()]
    ) -> GatheredOut:
        """Give a learning kept pictures of the record, the newest first.

        Those of its model that were judged good, unless the filters name another model or
        judgement. A teaching takes all that people have judged of its model, and what the active
        version passed lately, instead of what it had; filters are refused then.
        """
        wish, filters = desk.job(number).wish, query.filters()
        if wish.teach:
            refuse_filters(filters)
            judged = await desk.gather(number)
            found = Gathered(judged.pictures, judged.missing, judged.unread, left_out(judged))
        else:
            judged = None
            found = await gather(desk, number, threads, good_ones(filters, wish.model))
        return GatheredOut(
            new=found.new,
            missing=found.missing,
            unread=found.unread,
            gathered=counts_out(judged),
            full=found.full,
            **counts(request, desk.job(number)),
        )


def _asker(request: Request) -> Asker:
    return Asker(caller_of(request.scope).name, client_of(request))
