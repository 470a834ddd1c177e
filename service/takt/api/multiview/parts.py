"""`/v1/parts`: views come in one by one, and a part has one result."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from takt.api.bodies import Bodies
from takt.api.disconnect import CancelOnDisconnect
from takt.api.examples import FOREIGN_PAGE, NOT_LED, OF_PICTURES
from takt.api.json_body import JsonAnswer
from takt.api.labels import Label, labels_of_headers
from takt.api.multiview.answers import ended_part, open_part, result_json, result_of
from takt.api.multiview.recipes import NO_RECIPE
from takt.api.multiview.schemas import (
    EndOptionsIn,
    OnePartOut,
    PartNumber,
    PartOut,
    PartsExportIn,
    PartsIn,
    PartsOut,
    PlainName,
    ViewAnswerOut,
    ViewOptionsIn,
)
from takt.api.multiview.viewing import ClaimedView, Views
from takt.api.problems import problem_responses, request_id_of, share_of
from takt.api.records.problems import NO_LIMIT, NO_RECORD, UNREACHABLE, record_responses
from takt.api.records.search import EXPORTED, exported
from takt.api.records.threads import RecordThreads
from takt.api.rest.inspect import PICTURE_BODY, PictureReading
from takt.core.domain import Inspection, Labels, inspection_json
from takt.core.errors import (
    InvalidParameterError,
    OtherRecipeError,
    PartEndedError,
    RecipeOutdatedError,
    RecordError,
    TooManyPartsError,
    ViewNotFoundError,
    ViewTakenError,
)
from takt.multiview.desk import PartDesk
from takt.multiview.open_parts import ViewWish, WaitingPart, no_part
from takt.multiview.result import PartResult
from takt.observing.journal import UNKNOWN, Journal
from takt.observing.records import Asked
from takt.recording.multiview.export import PartsExport
from takt.recording.multiview.parts import (
    inspections_of,
    part_of,
    parts_of,
)
from takt.recording.search.exports.export import media_type_of

LONGEST_WAIT_MS = 60_000.0

PartId = Annotated[
    Label,
    Path(alias="id", description="Id of the part, such as its serial number; without a slash."),
]
ViewName = Annotated[PlainName, Path(alias="view", description="Name of the view in the recipe.")]

_NO_PART = no_part("A-17")
_NO_VIEW = ViewNotFoundError("recipe 'bracket', revision 1, has no view 'below', but top, side")
_TAKEN = ViewTakenError(
    "part 'A-17' has its view 'top' already; GET /v1/parts/{id} has what became of it"
)
_ENDED = PartEndedError(
    "part 'A-17' has ended as good; again=true says that the id stands for another part now, as it "
    "does by itself 60 s after the end"
)
_OTHER = OtherRecipeError(
    "part 'A-17' is open by recipe 'bracket'; send its views with that, or end it to begin it by "
    "'bolt'"
)
_OUTDATED = RecipeOutdatedError(
    "view 'top' was saved for another graph of parts 1 than the one that is there; save the recipe "
    "again"
)
_TOO_MANY = TooManyPartsError(
    "1024 parts wait for views, as many as may be; end those whose views do not come, or give "
    "their recipes a shorter deadline_ms",
    retry_after_s=1,
)
_ANSWERED: dict[int | str, Any] = {200: {"model": ViewAnswerOut, "description": "Its inspection."}}
_OF_VIEW = problem_responses(
    *OF_PICTURES,
    *(NO_RECORD, UNREACHABLE, NO_RECIPE, _NO_VIEW, _TAKEN, _ENDED, _OTHER, _OUTDATED, _TOO_MANY),
    NOT_LED,
    InvalidParameterError("recipe: Field required"),
)
_NO_ID = InvalidParameterError("id: String should have at most 128 characters")
_OF_PART = record_responses(_NO_PART, NOT_LED, _NO_ID)
_ENDING = record_responses(*(_NO_PART, NOT_LED, _NO_ID, FOREIGN_PAGE, NO_RECIPE, _OTHER, _TOO_MANY))


@dataclass(frozen=True, slots=True)
class ViewHandler:
    """Inspects views by the recipes of their parts.

    Attributes:
        views: takes them on.
        journal: counts and logs each picture and each refusal.
        bodies: reads the pictures.
        default_timeout_ms: timeout of a request that names none.
    """

    views: Views
    journal: Journal
    bodies: Bodies
    default_timeout_ms: float

    async def __call__(
        self, request: Request, part: str, view: str, query: ViewOptionsIn
    ) -> Response:
        """Inspect the picture in a request's body as a view of a part."""
        request_id, known = request_id_of(request.scope), UNKNOWN
        try:
            labels = labels_of_headers(request.scope["headers"], query.labels(part))
            wish = ViewWish(
                *(part, view, query.recipe, request_id, query.again),
                station=labels.station,
                lot=labels.lot,
                tags=dict(labels.tags),
            )
            async with self.views.claimed(wish) as claimed:
                known = claimed.claim.view.model
                inspection, asked = await self._inspect(request, query, claimed, labels)
                result = await claimed.take(request_id, inspection)
        except Exception as error:
            self.journal.refused(known, "rest", error, request_id)
            raise
        self.journal.answered(inspection, "rest", request_id, asked)
        answer = {
            "request_id": request_id,
            **claimed.json,
            "inspection": inspection_json(inspection, request_id),
            "result": None if result is None else result_json(result),
        }
        return JsonAnswer(orjson.dumps(answer))

    async def _inspect(
        self, request: Request, query: ViewOptionsIn, claimed: ClaimedView, labels: Labels
    ) -> tuple[Inspection, Asked]:
        loaded, share = claimed.loaded, share_of(request.scope)
        options = claimed.options(query.options(self.default_timeout_ms, share))
        with self.bodies.memory.encoded() as held:
            async with CancelOnDisconnect(request) as disconnect:
                reading = PictureReading(
                    *(request, share, labels, self.bodies, held, disconnect),
                    keeps=self.journal.has_outlets,
                )
                inspection = await loaded.pipeline.inspect(reading, options)
        asked = reading.kept._replace(view=claimed.of_part)
        # Before the part has it, so that no part gets its result by what is not recorded.
        request_id = request_id_of(request.scope)
        await self.journal.commit([(inspection, asked)], "rest", request_id, options.timeout_s)
        return inspection, asked


def parts_router(handler: ViewHandler, desk: PartDesk, threads: RecordThreads) -> APIRouter:
    """The routes of parts.

    Args:
        handler: inspects views.
        desk: has the open parts.
        threads: work on the record.
    """
    router = APIRouter(tags=["parts"])

    @router.post(
        "/v1/parts/{id}/views/{view}",
        responses=_ANSWERED | _OF_VIEW,
        response_class=Response,
        openapi_extra=PICTURE_BODY,
    )
    async def inspect_view(
        request: Request, part: PartId, view: ViewName, query: Annotated[ViewOptionsIn, Query()]
    ) -> Response:
        """Inspect a view of a part by the part's recipe; the last view gives the part's result.

        A part begins with its first view, whichever that is, and keeps the revision that the recipe
        has then.
        """
        return await handler(request, part, view, query)

    @router.get("/v1/parts", responses=record_responses(NO_LIMIT))
    async def list_parts(request: Request, query: Annotated[PartsIn, Query()]) -> PartsOut:
        """Parts that have their result, the latest first."""
        wanted = replace(query.filters(), before=query.before)
        found = await threads.read(lambda some: parts_of(some, wanted, query.limit))
        return PartsOut(
            request_id=request_id_of(request.scope),
            parts=[ended_part(result_of(one)) for one in found],
        )

    @router.get("/v1/parts-export", response_class=Response, responses=EXPORTED)
    async def export_parts(query: Annotated[PartsExportIn, Query()]) -> Response:
        """All parts that the filters want, with the verdict on each, as a file."""
        name, media_type = f"parts.{query.format}", media_type_of(query.format)
        export = PartsExport(query.filters(), query.format)
        return await exported(threads, export, name, media_type)

    @router.get("/v1/parts/{id}", responses=_OF_PART)
    async def get_part(
        request: Request,
        part: PartId,
        number: Annotated[
            PartNumber | None, Query(description="The part of this number; else the latest.")
        ] = None,
        wait_ms: Annotated[
            float, Query(ge=0, le=LONGEST_WAIT_MS, description="Longest wait for its result.")
        ] = 0,
    ) -> OnePartOut:
        """A part: what it waits for, or what became of it."""
        threads.check()
        found = await desk.find(part, wait_ms / 1000, number)
        if found is None:
            stored = await threads.read(lambda some: part_of(some, part, number))
            if stored is None:
                raise no_part(part)
            found = result_of(stored)
        return OnePartOut(request_id=request_id_of(request.scope), part=await _told(threads, found))

    @router.post("/v1/parts/{id}/end", responses=_ENDING)
    async def end_part(
        request: Request, part: PartId, query: Annotated[EndOptionsIn, Query()]
    ) -> OnePartOut:
        """End a part now: views that are missing make it undecided.

        A part that has just ended stays as it is. With `recipe`, one of which no view came is
        begun and ended at once, so that the record has it, too.
        """
        threads.check()
        result = await desk.end(part, query.unseen(part))
        return OnePartOut(
            request_id=request_id_of(request.scope), part=await _told(threads, result)
        )

    return router


async def _told(threads: RecordThreads, found: WaitingPart | PartResult) -> PartOut:
    if isinstance(found, WaitingPart):
        return open_part(found)
    ids: Mapping[str, int] = {}
    # The result is known, wherever its inspections are.
    with contextlib.suppress(RecordError):
        ids = await threads.read(lambda some: inspections_of(some, found.part, found.number))
    return ended_part(found, ids)
