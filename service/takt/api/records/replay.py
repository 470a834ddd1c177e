"""`POST /v1/inspections/{id}/replay`, `…/map` and `…/overlay`: a kept picture, inspected again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from takt.api.disconnect import CancelOnDisconnect
from takt.api.examples import FOREIGN_PAGE, NOT_READY, OF_PICTURES
from takt.api.given import QueryIn
from takt.api.problems import problem_responses, request_id_of, share_of
from takt.api.records.filters import InspectionId
from takt.api.records.problems import NO_NUMBER, record_responses
from takt.api.records.search import NO_INSPECTION
from takt.api.records.threads import RecordThreads
from takt.api.schemas import BYTES, RegionOut, ReplyOut, Schema
from takt.core.batching.memory import MemoryBudget
from takt.core.domain import MEDIA_TYPES, HeatmapKind, ImageFormat, InspectOptions, VerdictName
from takt.core.errors import (
    ConflictError,
    EngineError,
    ModelNotFoundError,
    TooManyUploadsError,
    UnavailableError,
)
from takt.core.pictures.prepare import Picture
from takt.recording.search.pages import inspection_of
from takt.recording.search.pictures import picture_key_of
from takt.recording.search.stored import StoredInspection
from takt.repository.model_version import ModelVersion
from takt.repository.replaying.json_form import json_of
from takt.repository.replaying.replay import (
    inspect_again,
    options_of,
    replay,
    same_bundle,
)
from takt.repository.replaying.tolerance import Rule
from takt.repository.repository import ModelRepository
from takt.settings import Settings


class DrawingIn(QueryIn):
    """How a heatmap is drawn."""

    format: ImageFormat = Field("jpeg", description="File format of the picture.")


class MapDrawingIn(DrawingIn):
    """How an anomaly map is drawn, or given as it is."""

    format: Literal["png", "jpeg", "webp", "npy"] = Field(  # type: ignore[assignment]
        "jpeg",
        description="File format of the picture; `npy` is the float32 map itself, at its own size.",
    )


class ReplayedAnswerOut(Schema):
    """An answer, and what gave it."""

    anomalous: bool
    verdict: VerdictName
    score: float
    regions: list[RegionOut] = Field(description="The highest peak first.")
    engine: str = Field(description="Engine that ran the graph, and where.")
    variant: str = Field(description="Variant of the bundle; empty for its reference graph.")
    runtime: str = Field(description="The engine's library and its version.")
    processor: str = Field(description="CPU or GPU that it ran on.")


class ToleranceOut(Schema):
    """How far the answers may differ."""

    rule: Rule = Field(
        description="same_engine: engine, variant, runtime and processor are the recorded ones, "
        "and rounding is allowed. other_engine: the bounds within which a server loads both."
    )
    differs: list[Literal["engine", "variant", "runtime", "processor"]] = Field(
        description="What is not as it was recorded."
    )
    score: float = Field(description="Largest difference of the score.")
    peak: float = Field(description="Largest difference of a map value.")


class ReplayOut(ReplyOut):
    """A recorded inspection, asked again at the recorded thresholds."""

    id: int = Field(description="Number of the inspection.")
    model: str
    version: str
    digest: str = Field(description="SHA-256 of the bundle, in hex.")
    reproduced: bool = Field(description="Whether verdict, score and regions are the same.")
    same_verdict: bool
    same_score: bool = Field(description="Within the tolerance.")
    same_regions: bool = Field(
        description="Within the tolerance: boxes, areas and peaks, though a map value next to the "
        "threshold may lie on either side."
    )
    score_difference: float = Field(description="The score of now less the recorded one.")
    peak_difference: float | None = Field(
        description="The largest difference of the peaks of regions that lie the same; null "
        "without any."
    )
    threshold: float = Field(description="As it was recorded, and applied now.")
    pixel_threshold: float = Field(description="As it was recorded, and applied now.")
    tolerance: ToleranceOut
    recorded: ReplayedAnswerOut
    replayed: ReplayedAnswerOut


def _gone(number: int, model: str, version: str) -> ConflictError:
    return ConflictError(
        f"inspection {number} was answered by {model}, version {version}, which this server does "
        "not have; put it back, or use `takt replay` where it is"
    )


_OF_ENGINES = tuple(
    error
    for error in OF_PICTURES
    if isinstance(error, UnavailableError | EngineError)
    and not isinstance(error, TooManyUploadsError)
)
_OF_ONE = record_responses(
    NO_INSPECTION, _gone(7, "parts", "1"), NOT_READY, *_OF_ENGINES, NO_NUMBER
)
_OF_REPLAYS = problem_responses(FOREIGN_PAGE)
_DRAWN: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture.",
        "content": dict.fromkeys(MEDIA_TYPES.values(), BYTES),
    }
}
_MAP_DRAWN: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture; or the map, and in `X-Takt-Inspected` the x, y, width and "
        "height of the part of the picture on which it lies.",
        "content": _DRAWN[200]["content"] | {"application/octet-stream": BYTES},
    }
}
_HEADERS = {"Cache-Control": "private, max-age=3600"}
"""The same bundle draws the same, or there is no answer."""


def replay_router(
    threads: RecordThreads, repository: ModelRepository, memory: MemoryBudget, settings: Settings
) -> APIRouter:
    """The routes that inspect kept pictures again; nothing of it is recorded or counted.

    Args:
        threads: work on the record.
        repository: the models.
        memory: of pictures in flight.
        settings: of the server.
    """
    router = APIRouter(tags=["record"], responses=_OF_ONE)

    @router.post("/v1/inspections/{id}/replay", responses=_OF_REPLAYS)
    async def replay_inspection(request: Request, number: InspectionId) -> ReplayOut:
        """Inspect the kept picture of an inspection again, and compare the answers.

        The version that is served must be the bundle that answered then. It waits behind the
        pictures of lines, as one of the bulk.
        """
        async with kept(request, number) as (stored, version, picture):
            options = asking(request, stored)
            found = await replay(stored, picture, version, options, settings.max_regions)
        body = json_of(found) | {"request_id": request_id_of(request.scope)}
        return ReplayOut.model_validate(body)

    @router.get("/v1/inspections/{id}/map", response_class=Response, responses=_MAP_DRAWN)
    async def draw_map(
        request: Request, number: InspectionId, query: Annotated[MapDrawingIn, Query()]
    ) -> Response:
        """The anomaly map of an inspection in colours or in numbers, computed again."""
        if query.format == "npy":
            return await drawn(request, number, "raw", "png")
        return await drawn(request, number, "map", query.format)

    @router.get("/v1/inspections/{id}/overlay", response_class=Response, responses=_DRAWN)
    async def draw_overlay(
        request: Request, number: InspectionId, query: Annotated[DrawingIn, Query()]
    ) -> Response:
        """The kept picture of an inspection under its map and regions, computed and drawn again."""
        return await drawn(request, number, "overlay", query.format)

    async def drawn(
        request: Request, number: int, kind: HeatmapKind, picture_format: ImageFormat
    ) -> Response:
        async with kept(request, number) as (stored, version, picture):
            options = replace(asking(request, stored), heatmap=kind, format=picture_format)
            inspection = await inspect_again(version.pipeline, picture, options)
        assert inspection.heatmap is not None
        if kind == "raw":
            box = inspection.inspected
            place = {"X-Takt-Inspected": f"{box.x},{box.y},{box.width},{box.height}"}
            data, media_type = inspection.heatmap.data, "application/octet-stream"
            return Response(data, headers=_HEADERS | place, media_type=media_type)
        media_type = MEDIA_TYPES[picture_format]
        return Response(inspection.heatmap.data, headers=_HEADERS, media_type=media_type)

    async def recorded(number: int) -> tuple[StoredInspection, ModelVersion]:
        stored = await threads.read(lambda connection: inspection_of(connection, number))
        try:
            version = repository.get(stored.model, stored.version)
        except ModelNotFoundError:
            raise _gone(number, stored.model, stored.version) from None
        same_bundle(version, stored)
        return stored, version

    @asynccontextmanager
    async def kept(
        request: Request, number: int
    ) -> AsyncIterator[tuple[StoredInspection, ModelVersion, Picture]]:
        """An inspection, who answered and its picture, while the caller is there."""
        async with CancelOnDisconnect(request) as disconnect:
            disconnect.watch()
            stored, version = await recorded(number)
            with memory.encoded() as held:
                held.add(stored.input_bytes)
                key = picture_key_of(stored)
                yield stored, version, await threads.run(lambda record: record.pictures.read(key))

    def asking(request: Request, stored: StoredInspection) -> InspectOptions:
        return options_of(stored, settings.timeout_ms / 1000, share_of(request.scope))

    return router
