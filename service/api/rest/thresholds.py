"""`PUT` and `DELETE /v1/models/{name}/threshold`: move where normal ends, while serving."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from service.api.body import read_json
from service.api.failures import MEDIA_TYPE as PROBLEM
from service.api.failures import request_id_of
from service.api.rest.change_schemas import ThresholdChangeOut, ThresholdPairOut, ThresholdsIn
from service.api.schemas import ProblemOut
from service.bundles.thresholds import DeployedThresholds, InForce, ThresholdChange
from service.errors import ForbiddenError
from service.observing.logging_setup import audit
from service.observing.metrics import Metrics
from service.repository.repository import ModelRepository
from service.repository.served_model import ServedModel

Name = Annotated[str, Path(description="The model's name.")]
Version = Annotated[str, Path(description="One version of it; without, the active one.")]
Apply = Callable[[DeployedThresholds], ThresholdChange]

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": ThresholdsIn.model_json_schema()}},
    }
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        "content": {PROBLEM: {"schema": ProblemOut.model_json_schema()}},
    }
    for status, description in {
        403: "The setting `threshold_changes` is off.",
        404: "No such model or version.",
        422: "No finite threshold, or an unknown name.",
        503: "The model is loading, has failed or is closing.",
    }.items()
}


def thresholds_router(repository: ModelRepository, metrics: Metrics, allowed: bool) -> APIRouter:
    """The routes that change thresholds, over these models.

    Args:
        repository: the models.
        metrics: counts the changes.
        allowed: whether they may; else each gets 403.
    """
    router = APIRouter(tags=["models"], responses=_RESPONSES)

    def changeable(name: str, version: str | None) -> ServedModel:
        if not allowed:
            raise ForbiddenError(
                "this server's thresholds are not to be changed; whoever runs it may set "
                "threshold_changes, and a request may name a threshold for itself"
            )
        return repository.get(name, version)

    async def change(
        request: Request, model: ServedModel, apply: Apply, reason: str | None = None
    ) -> ThresholdChangeOut:
        # In a thread, as it waits for the disk.
        done = await asyncio.to_thread(apply, model.thresholds_to_change)
        for kind in done.kinds:
            metrics.threshold_changed(model.name, kind)
        request_id = request_id_of(request.scope)
        answer = ThresholdChangeOut(
            request_id=request_id,
            model=model.name,
            version=model.version,
            old=_pair(done.before),
            new=_pair(done.after),
            persisted=done.persisted,
        )
        audit(
            "threshold_changed",
            action=request.method,
            **answer.model_dump(),
            reason=reason,
            client=request.client.host if request.client else None,
        )
        return answer

    async def put(request: Request, name: str, version: str | None) -> ThresholdChangeOut:
        model = changeable(name, version)
        asked = await read_json(request, ThresholdsIn)

        def apply(thresholds: DeployedThresholds) -> ThresholdChange:
            return thresholds.change(image=asked.image, pixel=asked.pixel, reason=asked.reason)

        return await change(request, model, apply, asked.reason)

    @router.put("/v1/models/{name}/threshold", openapi_extra=_BODY)
    async def set_threshold(request: Request, name: Name) -> ThresholdChangeOut:
        """Serve the model's active version by another threshold, from the next picture on."""
        return await put(request, name, None)

    @router.put("/v1/models/{name}/versions/{version}/threshold", openapi_extra=_BODY)
    async def set_threshold_of_version(
        request: Request, name: Name, version: Version
    ) -> ThresholdChangeOut:
        """Serve the version that is named by another threshold."""
        return await put(request, name, version)

    @router.delete("/v1/models/{name}/threshold")
    async def reset_threshold(request: Request, name: Name) -> ThresholdChangeOut:
        """Go back to the thresholds of the bundle, of the model's active version."""
        return await change(request, changeable(name, None), DeployedThresholds.reset)

    @router.delete("/v1/models/{name}/versions/{version}/threshold")
    async def reset_threshold_of_version(
        request: Request, name: Name, version: Version
    ) -> ThresholdChangeOut:
        """Go back to the thresholds of the bundle, of the version that is named."""
        return await change(request, changeable(name, version), DeployedThresholds.reset)

    return router


def _pair(thresholds: InForce) -> ThresholdPairOut:
    return ThresholdPairOut(image=thresholds.image, pixel=thresholds.pixel)
