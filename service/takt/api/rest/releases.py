"""`POST …/versions/{version}/activate` and `…/rollback`: another version answers, without a gap."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import ConfigDict, Field

from takt.api.examples import FOREIGN_PAGE, NO_MODEL, NOT_LED, NOT_READY, SLOW_BODY
from takt.api.given import BodyIn
from takt.api.json_body import described_body, read_json
from takt.api.paths import Name
from takt.api.problems import problem_responses
from takt.api.rest.ordering import order_of
from takt.api.schemas import ReplyOut
from takt.core.bundles.thresholds import MAX_REASON
from takt.core.errors import (
    BundleError,
    ConflictError,
    DriftError,
    EngineError,
    ForbiddenError,
    InvalidParameterError,
)
from takt.repository.orders import Kind, Orders
from takt.repository.repository import ModelRepository

Version = Annotated[str, Path(description="The version that is to answer.")]


class ActivationIn(BodyIn):
    """Why another version is to answer."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"reason": "refitted with the new lamp"}}
    )

    reason: str | None = Field(None, max_length=MAX_REASON, description="Kept and logged.")


class ActivationOut(ReplyOut):
    """Which version answers from now on where a request names none."""

    model: str
    version: str
    before: str = Field(description="The version that did until now; empty if none did.")
    previous: str | None = Field(description="The version that a rollback goes back to.")
    persisted: bool = Field(description="Whether it survives a restart.")


_BODY = described_body(ActivationIn, required=False)
_FIXED = ForbiddenError(
    "this server's versions are not to be changed by requests; whoever runs it may set "
    "version_changes"
)
_RESPONSES = problem_responses(
    _FIXED,
    FOREIGN_PAGE,
    NO_MODEL,
    SLOW_BODY,
    InvalidParameterError("reason: Input should be a valid string"),
    EngineError("the engine failed on a batch: RuntimeError"),
    DriftError(
        "parts/2 on the engine drifts from the trained model in batches of 1: score by 0.5, of "
        "which 0.001 is allowed, map by 0.5, of 0.001; choose another engine, or export the "
        "bundle again"
    ),
    BundleError("models/parts/1/model.onnx is not the file that was exported; export it again"),
    NOT_READY,
    NOT_LED,
)
_NOWHERE = problem_responses(
    ConflictError("model parts has no version to go back to; activate the one that is wanted")
)


def releases_router(repository: ModelRepository, orders: Orders, allowed: bool) -> APIRouter:
    """The routes that change which version is active.

    Args:
        repository: the models.
        orders: makes the changes.
        allowed: whether requests may change it; else each gets 403.
    """
    router = APIRouter(tags=["models"], responses=_RESPONSES)

    async def changed(
        request: Request, kind: Kind, name: str, version: str | None = None
    ) -> ActivationOut:
        if not allowed:
            raise ForbiddenError(str(_FIXED))
        reason = (await read_json(request, ActivationIn)).reason
        repository.model(name)
        done = await orders.make(order_of(request, kind, name, version, reason))
        return ActivationOut.model_validate(done)

    @router.post("/v1/models/{name}/versions/{version}/activate", openapi_extra=_BODY)
    async def activate_version(request: Request, name: Name, version: Version) -> ActivationOut:
        """Let a version answer where a request names none, once its golden answers are right.

        Nobody is refused meanwhile: who is being answered by the version until now still is.
        """
        return await changed(request, "activate", name, version)

    @router.post("/v1/models/{name}/rollback", responses=_NOWHERE, openapi_extra=_BODY)
    async def roll_back(request: Request, name: Name) -> ActivationOut:
        """Go back to the version that was active before; once more undoes that."""
        return await changed(request, "roll_back", name)

    return router
