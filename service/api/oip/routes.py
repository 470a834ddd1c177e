"""`/v2/…`: the Open Inference Protocol, over the pipeline that serves REST."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from service.api.body import read_json
from service.api.failures import MEDIA_TYPE as PROBLEM
from service.api.failures import OIP_PATH
from service.api.oip.infer import infer_handler
from service.api.oip.metadata import index, model_config, model_metadata, server_metadata
from service.api.oip.request import OipLimits
from service.api.schemas import ProblemOut
from service.domain import Json
from service.observing.journal import Journal
from service.repository.repository import ModelRepository

Name = Annotated[str, Path(description="The model's name.")]
Version = Annotated[str, Path(description="One version of it; without, the active one.")]

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
_PROBLEM = {"content": {PROBLEM: {"schema": ProblemOut.model_json_schema()}}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "The request is at fault, or the queue is full.", **_PROBLEM},
    "5XX": {"description": "The service cannot answer, or not in time.", **_PROBLEM},
}


def oip_router(repository: ModelRepository, journal: Journal, limits: OipLimits) -> APIRouter:
    """The protocol's routes, over these models.

    Args:
        repository: the models.
        journal: told of each picture and refusal.
        limits: of a request.
    """
    router = APIRouter(prefix=OIP_PATH, tags=["open inference protocol"])
    answer = infer_handler(repository, journal, limits)

    @router.get("")
    async def server() -> Json:
        """What serves."""
        return server_metadata()

    @router.get("/health/live")
    async def live() -> Json:
        """Whether the process answers."""
        return {"live": True}

    @router.get("/health/ready")
    async def ready(response: Response) -> Json:
        """Whether the models are ready; 503 if not."""
        response.status_code = 200 if repository.ready else 503
        return {"ready": repository.ready}

    def readiness(response: Response, name: str, version: str | None) -> Json:
        model = repository.get(name, version)
        response.status_code = 200 if model.ready else 503
        return {"name": model.name, "ready": model.ready}

    @router.get("/models/{name}/ready")
    async def model_ready(response: Response, name: Name) -> Json:
        """Whether the model's active version is ready; 503 if not."""
        return readiness(response, name, None)

    @router.get("/models/{name}/versions/{version}/ready")
    async def version_ready(response: Response, name: Name, version: Version) -> Json:
        """Whether the version that is named is ready; 503 if not."""
        return readiness(response, name, version)

    @router.get("/models/{name}")
    async def metadata(name: Name) -> Json:
        """A model's versions, and the tensors of its active one."""
        return model_metadata(repository, name, None)

    @router.get("/models/{name}/versions/{version}")
    async def metadata_of_version(name: Name, version: Version) -> Json:
        """A model's versions, and the tensors of the one that is named."""
        return model_metadata(repository, name, version)

    @router.get("/models/{name}/config")
    async def config(name: Name) -> Json:
        """The configuration of a model's active version, in Triton's words."""
        return model_config(repository, name, None)

    @router.get("/models/{name}/versions/{version}/config")
    async def config_of_version(name: Name, version: Version) -> Json:
        """The configuration of the version that is named, in Triton's words."""
        return model_config(repository, name, version)

    @router.post("/repository/index")
    async def repository_index(request: Request) -> list[Json]:
        """Every version of every model; those that are ready if the body says `{"ready": true}`."""
        return index(repository, ready_only=(await read_json(request, IndexIn)).ready)

    @router.post(
        "/models/{name}/infer",
        responses=_RESPONSES,
        response_class=Response,
        openapi_extra=_BODY,
    )
    async def infer(request: Request, name: Name) -> Response:
        """Inspect pictures with the model's active version."""
        return await answer(request, name, None)

    @router.post(
        "/models/{name}/versions/{version}/infer",
        responses=_RESPONSES,
        response_class=Response,
        openapi_extra=_BODY,
    )
    async def infer_version(request: Request, name: Name, version: Version) -> Response:
        """Inspect pictures with the version that is named."""
        return await answer(request, name, version)

    return router


class IndexIn(BaseModel):
    """Which versions are wanted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    ready: bool = Field(default=False, description="Only those that are ready.")
