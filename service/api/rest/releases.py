"""`POST …/versions/{version}/activate` and `…/rollback`: another version answers, without a gap."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from service.api.json_body import described_body, read_json
from service.api.paths import Name
from service.api.problems import problem_responses, request_id_of
from service.api.schemas import Schema
from service.bundles.thresholds import MAX_REASON
from service.errors import ForbiddenError
from service.observing.logging_setup import audit
from service.repository.activation import Activated
from service.repository.repository import ModelRepository

Version = Annotated[str, Path(description="The version that is to answer.")]


class ActivationIn(BaseModel):
    """Why another version is to answer."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"reason": "refitted with the new lamp"}},
    )

    reason: str | None = Field(None, max_length=MAX_REASON, description="Kept and logged.")


class ActivationOut(Schema):
    """Which version answers from now on where a request names none."""

    request_id: str
    model: str
    version: str
    before: str = Field(description="The version that did until now.")
    previous: str | None = Field(description="The version that a rollback goes back to.")
    persisted: bool = Field(description="Whether it survives a restart.")


_BODY = described_body(ActivationIn, required=False)
_RESPONSES = problem_responses(
    {
        403: "The setting `version_changes` is off, or a web page of another host asks.",
        404: "No such model or version.",
        408: "The body did not come whole in time.",
        409: "There is nothing to go back to.",
        422: "An unknown name, or a reason that is too long.",
        500: "The version answers its golden inputs wrong; the one until now stays.",
        503: "The version is loading, or cannot be served; the one until now stays.",
    }
)


def releases_router(repository: ModelRepository, allowed: bool) -> APIRouter:
    """The routes that change which version is active.

    Args:
        repository: the models.
        allowed: whether requests may change it; else each gets 403.
    """
    router = APIRouter(tags=["models"], responses=_RESPONSES)

    async def read_reason(request: Request) -> str | None:
        if not allowed:
            raise ForbiddenError(
                "this server's versions are not to be changed by requests; whoever runs it may "
                "set version_changes"
            )
        return (await read_json(request, ActivationIn)).reason

    def report(request: Request, name: str, done: Activated, reason: str | None) -> ActivationOut:
        request_id = request_id_of(request.scope)
        answer = ActivationOut(request_id=request_id, model=name, **asdict(done))
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
        reason = await read_reason(request)
        return report(request, name, await repository.model(name).activate(version, reason), reason)

    @router.post("/v1/models/{name}/rollback", openapi_extra=_BODY)
    async def rollback(request: Request, name: Name) -> ActivationOut:
        """Go back to the version that was active before; once more undoes that."""
        reason = await read_reason(request)
        return report(request, name, await repository.model(name).roll_back(reason), reason)

    return router
