"""Routes of the Open Inference Protocol, `/v2/…`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from takt.api.bodies import Bodies
from takt.api.examples import (
    FOREIGN_NAME,
    FOREIGN_PAGE,
    NO_MODEL,
    NOT_UTF8,
    OF_PICTURES,
    SLOW_BODY,
)
from takt.api.given import BodyIn
from takt.api.json_body import described_body, read_json
from takt.api.oip.infer import MOST_LENGTH, infer_handler
from takt.api.oip.metadata import index, model_config, model_metadata, server_metadata
from takt.api.oip.request import InferIn, OipLimits
from takt.api.oip.schemas import (
    IndexEntryOut,
    InferOut,
    ModelConfigOut,
    ModelMetadataOut,
    ModelReadyOut,
    ServerLiveOut,
    ServerMetadataOut,
    ServerReadyOut,
)
from takt.api.paths import Name, version_of, versioned
from takt.api.problems import OIP_PATH, problem_responses
from takt.api.schemas import BYTES, OipProblemOut, Schema, reference_to
from takt.core.domain import Json
from takt.core.errors import InvalidParameterError, RequestError
from takt.observing.journal import Journal
from takt.repository.repository import ModelRepository

_LENGTH = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "required": False,
    "description": "Bytes of JSON at the start of the body, where binary tensors follow.",
    "schema": {"type": "integer", "minimum": 0, "maximum": MOST_LENGTH},
}
_BODY: dict[str, Any] = {
    "parameters": [_LENGTH],
    "requestBody": {
        "required": True,
        "description": "An inference request in JSON; binary tensors may follow it, and then "
        "`Inference-Header-Content-Length` says how long the JSON is.",
        "content": {
            "application/json": {
                "schema": reference_to(InferIn),
                "example": {
                    "inputs": [
                        {
                            "name": "image",
                            "shape": [1],
                            "datatype": "BYTES",
                            "data": ["iVBORw0KGgo…"],
                        }
                    ],
                    "outputs": [{"name": "score"}, {"name": "regions"}],
                    "parameters": {"timeout_ms": 500},
                },
            },
            "application/octet-stream": BYTES,
        },
    },
}
_INFERRED: dict[str, Any] = {
    "model": InferOut,
    "description": "The outputs in JSON; bytes of binary outputs may follow it, and then "
    "`Inference-Header-Content-Length` says how long the JSON is.",
    "content": {"application/json": {}, "application/octet-stream": BYTES},
}
_REFUSED = problem_responses(
    RequestError("the shape of image says 2 elements, `data` has 1"),
    *OF_PICTURES,
    InvalidParameterError("the inputs are none; send one, image or pixels"),
    kind=OipProblemOut,
)
_OF_A_NAME = problem_responses(NO_MODEL, kind=OipProblemOut)
_OF_THE_INDEX = problem_responses(
    FOREIGN_PAGE,
    SLOW_BODY,
    InvalidParameterError("ready: Input should be a valid boolean"),
    kind=OipProblemOut,
)


def _not_ready(kind: type[Schema]) -> dict[int | str, dict[str, Any]]:
    return {503: {"model": kind, "description": "Not ready."}}


class IndexIn(BodyIn):
    """Filter of the repository's index."""

    ready: bool = Field(default=False, description="Only those that are ready.")


def oip_router(
    repository: ModelRepository, journal: Journal, bodies: Bodies, limits: OipLimits
) -> APIRouter:
    """The protocol's routes.

    Args:
        repository: the models.
        journal: counts and logs each picture and each refusal.
        bodies: reads inference requests.
        limits: bounds of an inference request.
    """
    router = APIRouter(
        prefix=OIP_PATH,
        tags=["oip"],
        responses=problem_responses(FOREIGN_NAME, NOT_UTF8, kind=OipProblemOut),
    )
    handler = infer_handler(repository, journal, bodies, limits)

    @router.get("", response_model=ServerMetadataOut)
    async def oip_server_metadata() -> Json:
        """What serves."""
        return server_metadata()

    @router.get("/health/live")
    async def oip_server_live() -> ServerLiveOut:
        """Whether the process answers."""
        return ServerLiveOut(live=True)

    @router.get("/health/ready", responses=_not_ready(ServerReadyOut))
    async def oip_server_ready(response: Response) -> ServerReadyOut:
        """Whether the models are ready; 503 if not."""
        response.status_code = 200 if repository.ready else 503
        return ServerReadyOut(ready=repository.ready)

    _add_model(router, repository)

    @router.post(
        "/repository/index",
        response_model=list[IndexEntryOut],
        responses=_OF_THE_INDEX,
        openapi_extra=described_body(IndexIn, required=False),
    )
    async def oip_repository_index(request: Request) -> list[Json]:
        """Every version of every model; those that are ready if the body says `{"ready": true}`."""
        return index(repository, ready_only=(await read_json(request, IndexIn)).ready)

    @versioned(
        router.post,
        "/models/{name}/infer",
        "oip_infer_by_version",
        responses={200: _INFERRED} | _REFUSED,
        response_class=Response,
        openapi_extra=_BODY,
    )
    async def oip_infer(request: Request, name: Name) -> Response:
        """Inspect pictures with the model's active version, or the version in the path."""
        return await handler(request, name, version_of(request))

    return router


def _add_model(router: APIRouter, repository: ModelRepository) -> None:
    """Add the routes that tell of one model."""

    @versioned(
        router.get,
        "/models/{name}/ready",
        "oip_version_ready",
        responses=_OF_A_NAME | _not_ready(ModelReadyOut),
    )
    async def oip_model_ready(request: Request, response: Response, name: Name) -> ModelReadyOut:
        """Whether the model's active version, or the version in the path, is ready; 503 if not."""
        model = repository.get(name, version_of(request))
        response.status_code = 200 if model.ready else 503
        return ModelReadyOut(name=model.name, ready=model.ready)

    @versioned(
        router.get,
        "/models/{name}",
        "oip_version_metadata",
        response_model=ModelMetadataOut,
        responses=_OF_A_NAME,
    )
    async def oip_model_metadata(request: Request, name: Name) -> Json:
        """A model's versions; the tensors of its active version, or the version in the path."""
        return model_metadata(repository, name, version_of(request))

    @versioned(
        router.get,
        "/models/{name}/config",
        "oip_version_config",
        response_model=ModelConfigOut,
        responses=_OF_A_NAME,
    )
    async def oip_model_config(request: Request, name: Name) -> Json:
        """The configuration of the active version, or the version in the path, as Triton has it."""
        return model_config(repository, name, version_of(request))
