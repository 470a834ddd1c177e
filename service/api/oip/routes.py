"""Routes of the Open Inference Protocol, `/v2/…`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from service.api.bodies import Bodies
from service.api.json_body import read_json
from service.api.oip.infer import infer_handler
from service.api.oip.metadata import index, model_config, model_metadata, server_metadata
from service.api.oip.request import OipLimits
from service.api.paths import Name, version_of, versioned
from service.api.problems import MISDIRECTED, OIP_PATH, problem_responses
from service.api.schemas import OipProblemOut
from service.domain import Json
from service.observing.journal import Journal
from service.repository.repository import ModelRepository

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "An inference request in JSON; binary tensors may follow it, and then "
        "`Inference-Header-Content-Length` says how long the JSON is.",
        "content": {
            "application/json": {
                "schema": {"type": "object"},
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
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_RESPONSES = problem_responses(
    {
        "4XX": "The request is at fault, or the queue is full.",
        "5XX": "The service cannot answer, or not in time.",
    },
    OipProblemOut,
)
_NOT_READY: dict[int | str, dict[str, Any]] = {503: {"description": "Not ready."}}
_OF_A_NAME = problem_responses({404: "No such model or version."}, OipProblemOut)
_MAY_BE_READY = _OF_A_NAME | _NOT_READY


class IndexIn(BaseModel):
    """Filter of the repository's index."""

    model_config = ConfigDict(extra="forbid", strict=True)

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
        tags=["open inference protocol"],
        responses=problem_responses({421: MISDIRECTED}, OipProblemOut),
    )
    handler = infer_handler(repository, journal, bodies, limits)

    @router.get("")
    async def server() -> Json:
        """What serves."""
        return server_metadata()

    @router.get("/health/live")
    async def live() -> Json:
        """Whether the process answers."""
        return {"live": True}

    @router.get("/health/ready", responses=_NOT_READY)
    async def ready(response: Response) -> Json:
        """Whether the models are ready; 503 if not."""
        response.status_code = 200 if repository.ready else 503
        return {"ready": repository.ready}

    @versioned(
        router.get, "/models/{name}/ready", "version_ready", responses=_OF_A_NAME | _NOT_READY
    )
    async def model_ready(request: Request, response: Response, name: Name) -> Json:
        """Whether the model's active version, or the version in the path, is ready; 503 if not."""
        model = repository.get(name, version_of(request))
        response.status_code = 200 if model.ready else 503
        return {"name": model.name, "ready": model.ready}

    @versioned(router.get, "/models/{name}", "metadata_of_version", responses=_OF_A_NAME)
    async def metadata(request: Request, name: Name) -> Json:
        """A model's versions; the tensors of its active version, or the version in the path."""
        return model_metadata(repository, name, version_of(request))

    @versioned(router.get, "/models/{name}/config", "config_of_version", responses=_OF_A_NAME)
    async def config(request: Request, name: Name) -> Json:
        """The configuration of the active version, or the version in the path, as Triton has it."""
        return model_config(repository, name, version_of(request))

    @router.post("/repository/index")
    async def repository_index(request: Request) -> list[Json]:
        """Every version of every model; those that are ready if the body says `{"ready": true}`."""
        return index(repository, ready_only=(await read_json(request, IndexIn)).ready)

    @versioned(
        router.post,
        "/models/{name}/infer",
        "infer_version",
        responses=_RESPONSES,
        response_class=Response,
        openapi_extra=_BODY,
    )
    async def infer(request: Request, name: Name) -> Response:
        """Inspect pictures with the model's active version, or the version in the path."""
        return await handler(request, name, version_of(request))

    return router
