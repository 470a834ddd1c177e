"""`POST …/versions/{v}/activate` and `…/rollback`: another version answers, without a gap."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from service.api.body import read_json
from service.api.failures import MEDIA_TYPE as PROBLEM
from service.api.failures import request_id_of
from service.api.origins import Origins
from service.api.rest.change_schemas import ActivationIn, ActivationOut
from service.api.schemas import ProblemOut
from service.errors import ForbiddenError
from service.observing.logging_setup import audit
from service.repository.repository import Activated, ModelRepository

Name = Annotated[str, Path(description="The model's name.")]
Version = Annotated[str, Path(description="The version that is to answer.")]

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "content": {"application/json": {"schema": ActivationIn.model_json_schema()}},
    }
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        "content": {PROBLEM: {"schema": ProblemOut.model_json_schema()}},
    }
    for status, description in {
        403: "The setting `version_changes` is off, or a web page of another host asks.",
        404: "No such model or version.",
        409: "There is nothing to go back to.",
        422: "An unknown name, or a reason that is too long.",
        500: "The version answers its golden inputs wrong; the one until now stays.",
        503: "The version is loading, or cannot be served; the one until now stays.",
    }.items()
}


def releases_router(repository: ModelRepository, allowed: bool, origins: Origins) -> APIRouter:
    """The routes that change which version is active, over these models.

    Args:
        repository: the models.
        allowed: whether they may; else each gets 403.
        origins: web pages that may ask; a browser sends a POST before it asks whether it may.
    """
    router = APIRouter(tags=["models"], responses=_RESPONSES)

    def check_allowed(request: Request) -> None:
        origins.check(request.headers)
        if not allowed:
            raise ForbiddenError(
                "this server's versions are not to be changed by requests; whoever runs it may "
                "set version_changes"
            )

    def told(request: Request, name: str, done: Activated, reason: str | None) -> ActivationOut:
        answer = ActivationOut(
            request_id=request_id_of(request.scope),
            model=name,
            version=done.version,
            before=done.before,
            previous=done.previous,
            persisted=done.persisted,
        )
        audit(
            "version_activated",
            **answer.model_dump(),
            reason=reason,
            client=request.client.host if request.client else None,
        )
        return answer

    @router.post("/v1/models/{name}/versions/{version}/activate", openapi_extra=_BODY)
    async def activate(request: Request, name: Name, version: Version) -> ActivationOut:
        """Let a version answer where a request names none, once its golden answers are right.

        Nobody is refused meanwhile: who is being answered by the version until now still is.
        """
        check_allowed(request)
        asked = await read_json(request, ActivationIn)
        done = await repository.activate(name, version, asked.reason)
        return told(request, name, done, asked.reason)

    @router.post("/v1/models/{name}/rollback", openapi_extra=_BODY)
    async def rollback(request: Request, name: Name) -> ActivationOut:
        """Go back to the version that was active before; once more undoes that."""
        check_allowed(request)
        asked = await read_json(request, ActivationIn)
        done = await repository.roll_back(name, asked.reason)
        return told(request, name, done, asked.reason)

    return router
