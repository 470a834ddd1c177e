"""`POST /v1/models/{name}/inspect`: one encoded picture in, its inspection out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service.api.failures import MEDIA_TYPE as PROBLEM
from service.api.failures import request_id_of
from service.api.hangup import HangUp
from service.api.schemas import InspectionOut, ProblemOut
from service.domain import (
    MEDIA_TYPES,
    HeatmapKind,
    ImageFormat,
    Inspection,
    InspectOptions,
    Priority,
    inspection_json,
)
from service.errors import ClientGoneError, InvalidImageError, InvalidParameterError
from service.observing.journal import UNKNOWN, Journal
from service.repository.repository import ModelRepository

Name = Annotated[str, Path(description="The model's name.")]
Version = Annotated[str, Path(description="One version of it; without, the active one.")]

_PICTURE = {"schema": {"type": "string", "format": "binary"}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A JPEG, PNG, BMP, WebP or TIFF as the raw body, or as the multipart "
        "field `image`.",
        "content": {
            "image/*": _PICTURE,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": InspectionOut,
        "description": "The inspection; the heatmap alone, with the score in headers, where "
        "`Accept` asks for `image/*`.",
        "content": {media_type: _PICTURE for media_type in MEDIA_TYPES.values()},
    },
    **{
        status: {
            "description": description,
            "content": {PROBLEM: {"schema": ProblemOut.model_json_schema()}},
        }
        for status, description in {
            400: "No whole picture.",
            404: "No such model or version.",
            413: "Too many bytes or pixels.",
            415: "A format or pixel type that is not served.",
            422: "An option out of range.",
            429: "The queue is full; `Retry-After` says when to come back.",
            500: "The engine failed.",
            503: "The model is loading, has failed or is closing.",
            504: "No answer within the timeout.",
        }.items()
    },
}


class InspectQuery(BaseModel):
    """The options of a request; a name that is not here is refused, since it may be a typo."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    heatmap: HeatmapKind = Field(
        "none",
        description="`map` is coloured, `overlay` lies on the picture, `raw` is a .npy of the "
        "float32 map at its own size.",
    )
    format: ImageFormat = Field("jpeg", description="Of `map` and `overlay`.")
    threshold: float | None = Field(None, description="Instead of the model's, for this verdict.")
    pixel_threshold: float | None = Field(
        None, description="Instead of the model's, for these regions."
    )
    timeout_ms: float | None = Field(
        None, gt=0, le=3_600_000, description="504 after this; else the server's `timeout_ms`."
    )
    priority: Priority = Field(
        "line",
        description="`line` pictures go before `bulk` ones, which get 429 from half a queue on.",
    )


Answer = Callable[[Request, InspectQuery, str, str | None], Awaitable[Response]]
"""Inspects the picture of a request with a model, and one version of it if that is named."""


def inspect_answer(
    repository: ModelRepository, journal: Journal, default_timeout_ms: float
) -> Answer:
    """What answers a request for an inspection, over these models."""

    async def answer(
        request: Request, query: InspectQuery, name: str, version: str | None
    ) -> Response:
        known, request_id = UNKNOWN, request_id_of(request.scope)
        try:
            model = repository.get(name, version)
            known = model.name
            picture_format = _picture_wanted(request.headers.get("accept"), query.format)
            options = _options(query, picture_format, default_timeout_ms)
            async with HangUp(request) as hang_up:

                async def read() -> bytes:
                    data = await _picture_of(request)
                    hang_up.watch()
                    return data

                inspection = await model.pipeline.inspect(read, options)
        except Exception as error:
            journal.refused(known, "rest", error, request_id)
            raise
        journal.answered(inspection, "rest", request_id)
        if picture_format is not None:
            return _picture_response(inspection)
        body = inspection_json(inspection, request_id)
        return Response(orjson.dumps(body), media_type="application/json")

    return answer


def inspect_router(answer: Answer) -> APIRouter:
    """The routes that inspect, as the API's documentation has them; see `HotPath`."""
    router = APIRouter(tags=["inspect"])

    @router.post(
        "/v1/models/{name}/inspect",
        summary="Inspect a picture",
        responses=_RESPONSES,
        response_class=Response,
        openapi_extra=_BODY,
    )
    async def inspect(
        request: Request, name: Name, query: Annotated[InspectQuery, Query()]
    ) -> Response:
        """Inspect a picture with the model's active version."""
        return await answer(request, query, name, None)

    @router.post(
        "/v1/models/{name}/versions/{version}/inspect",
        summary="Inspect a picture with one version",
        responses=_RESPONSES,
        response_class=Response,
        openapi_extra=_BODY,
    )
    async def inspect_version(
        request: Request, name: Name, version: Version, query: Annotated[InspectQuery, Query()]
    ) -> Response:
        """Inspect a picture with the version that is named."""
        return await answer(request, query, name, version)

    return router


def _options(
    query: InspectQuery, picture_format: ImageFormat | None, default_timeout_ms: float
) -> InspectOptions:
    heatmap = query.heatmap
    if picture_format is not None and heatmap == "raw":
        raise InvalidParameterError(
            "heatmap=raw is no picture; ask for it with `Accept: application/json`"
        )
    if picture_format is not None and heatmap == "none":
        heatmap = "overlay"
    timeout_ms = default_timeout_ms if query.timeout_ms is None else query.timeout_ms
    return InspectOptions(
        heatmap=heatmap,
        format=picture_format or query.format,
        threshold=query.threshold,
        pixel_threshold=query.pixel_threshold,
        timeout_s=timeout_ms / 1000,
        priority=query.priority,
    )


def _picture_wanted(accept: str | None, default: ImageFormat) -> ImageFormat | None:
    """The format of the picture that `Accept` prefers to JSON, None where it does not."""
    if not accept or "image/" not in accept:
        return None
    ranges = [part.strip().partition(";") for part in accept.lower().split(",")]
    wanted = [(name.strip(), _quality(rest)) for name, _, rest in ranges if _quality(rest) > 0]
    ranked = [name for name, _ in sorted(wanted, key=lambda pair: -pair[1])]
    if not ranked or not ranked[0].startswith("image/"):
        return None
    for name in ranked:
        if name == "image/*":
            return default
        for picture_format, media_type in MEDIA_TYPES.items():
            if name == media_type:
                return picture_format
    raise InvalidParameterError(
        f"Accept: {accept} cannot be met; pictures are {', '.join(MEDIA_TYPES.values())}"
    )


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


async def _picture_of(request: Request) -> bytes:
    """The picture's bytes: the raw body, or the multipart field `image`."""
    content_type = request.headers.get("content-type", "").lower()
    try:
        if not content_type.startswith("multipart/form-data"):
            # Not request.body(), which would keep a copy for as long as the request lives.
            return b"".join([chunk async for chunk in request.stream()])
        async with request.form(max_files=1, max_fields=16) as form:
            image = form.get("image")
            if isinstance(image, UploadFile):
                return await image.read()
    except ClientDisconnect:
        raise ClientGoneError("the caller hung up before the picture was there") from None
    except HTTPException as error:
        raise InvalidImageError(f"the multipart body is damaged: {error.detail}") from None
    raise InvalidImageError("the multipart body has no file in a field named `image`")


def _picture_response(inspection: Inspection) -> Response:
    """The heatmap as the body, the verdict in headers."""
    heatmap, verdict = inspection.heatmap, inspection.verdict
    assert heatmap is not None
    headers = {
        "X-Takt-Model": inspection.model,
        "X-Takt-Version": inspection.version,
        "X-Takt-Score": f"{verdict.score:.9g}",
        "X-Takt-Threshold": f"{verdict.threshold:.9g}",
        "X-Takt-Anomalous": str(verdict.anomalous).lower(),
        "X-Takt-Total-Ms": f"{inspection.timings.total_ms:.3f}",
    }
    return Response(heatmap.data, headers=headers, media_type=f"image/{heatmap.format}")
