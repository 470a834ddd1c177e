"""`POST /v1/models/{name}/inspect`: one encoded picture in, its inspection out."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Annotated, Any, NamedTuple

import orjson
from fastapi import APIRouter, Query, Request, Response
from starlette.types import Scope

from takt.api.bodies import Bodies
from takt.api.disconnect import CancelOnDisconnect
from takt.api.examples import OF_PICTURES
from takt.api.json_body import JsonAnswer
from takt.api.labels import labels_of_headers
from takt.api.paths import Name, version_of, versioned
from takt.api.problems import asked_of, problem_responses, request_id_of, share_of
from takt.api.request_context import header_of
from takt.api.schemas import BYTES, InspectionOut, OptionsIn, PictureForm, reference_to
from takt.core.batching.memory import EncodedBytes
from takt.core.domain import (
    MEDIA_TYPES,
    ImageFormat,
    Inspection,
    InspectOptions,
    Labels,
    inspection_json,
)
from takt.core.errors import InvalidParameterError, QueueFullError, TaktError
from takt.observing.journal import UNKNOWN, Journal
from takt.observing.records import NOTHING_ASKED, Asked
from takt.repository.repository import ModelRepository

PICTURE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A JPEG, PNG, BMP, WebP or TIFF as the raw body, of whatever content type, "
        "or as the multipart field `image`.",
        "content": {
            "application/octet-stream": BYTES,
            "image/*": BYTES,
            "multipart/form-data": {"schema": reference_to(PictureForm)},
        },
    }
}
_INSPECTED: dict[str, Any] = {
    "model": InspectionOut,
    "description": "The inspection; the heatmap alone, with the score in headers, where "
    "`Accept` asks for `image/*`.",
    # JSON comes first: some generators take the first that they know.
    "content": {"application/json": {}} | dict.fromkeys(MEDIA_TYPES.values(), BYTES),
}
_RESPONSES = problem_responses(
    *OF_PICTURES,
    InvalidParameterError("timeout_ms: Input should be greater than 0"),
)


class Question(NamedTuple):
    """What a request with a picture asks.

    Attributes:
        options: of its query.
        share: whose share of uploads and of the queue its picture takes.
        name: of the model.
        version: of it; None for the active one.
    """

    options: OptionsIn
    share: str
    name: str
    version: str | None = None


@dataclass(slots=True)
class PictureReading:
    """Reads the picture of a request for the pipeline, and keeps what came with it.

    Attributes:
        request: whose body nobody has read yet.
        share: whose share of uploads it takes.
        labels: what the query says of the part; the headers may say more.
        bodies: reads it.
        held: takes its memory.
        disconnect: watches the caller once the picture is there.
        keeps: whether anybody wants the picture itself beside its answer.
        kept: what came with the picture; nothing until it is read.
    """

    request: Request
    share: str
    labels: Labels
    bodies: Bodies
    held: EncodedBytes
    disconnect: CancelOnDisconnect
    _: KW_ONLY
    keeps: bool
    kept: Asked = NOTHING_ASKED

    async def __call__(self) -> bytes:
        """The picture's bytes: the raw body, or the multipart field `image`."""
        scope = self.request.scope
        picture = await self.bodies.read_picture(self.request, self.held, self.share)
        labels = labels_of_headers(scope["headers"], self.labels)
        self.kept = asked_of(scope, picture if self.keeps else None, labels)
        self.disconnect.watch()
        return picture


@dataclass(frozen=True, slots=True)
class InspectHandler:
    """Answers requests with a picture.

    Attributes:
        repository: the models.
        journal: counts and logs each picture and each refusal.
        bodies: reads the pictures.
        default_timeout_ms: timeout of a request that names none.
    """

    repository: ModelRepository
    journal: Journal
    bodies: Bodies
    default_timeout_ms: float

    async def __call__(self, request: Request, asked: Question) -> Response:
        """Inspect the picture in a request's body."""
        scope, query, journal = request.scope, asked.options, self.journal
        known, request_id = UNKNOWN, request_id_of(scope)
        try:
            model = self.repository.get(asked.name, asked.version)
            known = model.name
            picture_format = _wanted_format(header_of(scope, b"accept"), query.format)
            wanted = query.options(self.default_timeout_ms, asked.share)
            options = wanted if picture_format is None else _drawn(query, picture_format, wanted)
            with self.bodies.memory.encoded() as held:
                async with CancelOnDisconnect(request) as disconnect:
                    reading = PictureReading(
                        *(request, asked.share, query.labels, self.bodies, held, disconnect),
                        keeps=journal.has_outlets,
                    )
                    inspection = await model.pipeline.inspect(reading, options)
            await journal.commit(
                [(inspection, reading.kept)], "rest", request_id, options.timeout_s
            )
        except Exception as error:
            journal.refused(known, "rest", error, request_id)
            raise
        journal.answered(inspection, "rest", request_id, reading.kept)
        if picture_format is not None:
            return _picture_response(inspection)
        body = inspection_json(inspection, request_id)
        return JsonAnswer(orjson.dumps(body))

    def check_room(self, scope: Scope, asked: Question) -> None:
        """Refuse a request if its model has no room for a picture; for all else it takes a call.

        Raises:
            QueueFullError: there is none.
        """
        query = asked.options
        timeout_ms = query.timeout_ms or self.default_timeout_ms
        try:
            model = self.repository.get(asked.name, asked.version)
            model.pipeline.check_room(query.priority, timeout_ms / 1000, asked.share)
        except QueueFullError as error:
            accept = dict(scope["headers"]).get(b"accept", b"")
            # A picture that it cannot have is told first.
            if b"image/" not in accept:
                self.journal.refused(model.name, "rest", error, request_id_of(scope))
                raise
        except TaktError:
            pass


def inspect_router(handler: InspectHandler) -> APIRouter:
    """The routes that inspect; `FastPath` answers most requests before they get here."""
    router = APIRouter(tags=["inspection"])

    @versioned(
        router.post,
        "/v1/models/{name}/inspect",
        "inspect_picture_by_version",
        responses={200: _INSPECTED} | _RESPONSES,
        response_class=Response,
        openapi_extra=PICTURE_BODY,
    )
    async def inspect_picture(
        request: Request, name: Name, query: Annotated[OptionsIn, Query()]
    ) -> Response:
        """Inspect a picture with the model's active version, or the version in the path."""
        return await handler(
            request, Question(query, share_of(request.scope), name, version_of(request))
        )

    return router


def _drawn(
    query: OptionsIn, picture_format: ImageFormat, options: InspectOptions
) -> InspectOptions:
    """The options of a request for the heatmap alone."""
    if query.heatmap == "raw":
        raise InvalidParameterError(
            "heatmap=raw is no picture; ask for it with `Accept: application/json`"
        )
    heatmap = "overlay" if query.heatmap == "none" else query.heatmap
    return replace(options, heatmap=heatmap, format=picture_format)


def _wanted_format(accept: str | None, default: ImageFormat) -> ImageFormat | None:
    """The format of the picture where `Accept` prefers one to JSON, else None."""
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
        "X-Takt-Verdict": verdict.name,
        "X-Takt-Total-Ms": f"{inspection.timings.total_ms:.3f}",
    }
    return Response(heatmap.data, headers=headers, media_type=f"image/{heatmap.format}")
