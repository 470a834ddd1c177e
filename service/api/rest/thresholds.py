"""`PUT` and `DELETE /v1/models/{name}/threshold`: other thresholds, while serving."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Self

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.api.examples import FOREIGN_PAGE, NO_MODEL, NOT_READY, SLOW_BODY
from service.api.json_body import described_body, read_json
from service.api.paths import Name, version_of, versioned
from service.api.problems import caller_of, client_of, problem_responses, request_id_of
from service.api.schemas import Schema
from service.bundles.thresholds import MAX_REASON, DeployedThresholds, ThresholdChange
from service.errors import ForbiddenError, InvalidParameterError
from service.observing.metrics import Metrics
from service.recording.audit.entry import Change
from service.recording.audit.trail import AuditTrail
from service.repository.model_version import ModelVersion
from service.repository.repository import ModelRepository

Reason = Annotated[str | None, Query(max_length=MAX_REASON, description="Kept and logged.")]
Apply = Callable[[DeployedThresholds], ThresholdChange]


class ThresholdsIn(BaseModel):
    """Thresholds to serve by, instead of the bundle's; at least one."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        strict=True,
        json_schema_extra={
            "example": {"image": 0.41, "reason": "new lamp, see shift log"},
            "if": {"properties": {"image": {"const": None}}},
            "then": {"required": ["pixel"], "properties": {"pixel": {"type": "number"}}},
        },
    )

    image: float | None = Field(None, description="Of a picture's score; null leaves it.")
    pixel: float | None = Field(None, description="Of a map value; null leaves it.")
    reason: str | None = Field(None, max_length=MAX_REASON, description="Kept and logged.")

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if self.image is None and self.pixel is None:
            raise ValueError("name image, pixel or both")
        return self


class ThresholdPairOut(Schema):
    """Both thresholds at one moment."""

    image: float
    pixel: float


class ThresholdChangeOut(Schema):
    """What a change of thresholds did."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "request_id": "35c7ec6c827545eba233163cd458b0c0",
                "model": "pitting",
                "version": "1",
                "old": {"image": 0.35242271423339844, "pixel": 0.35242271423339844},
                "new": {"image": 0.41, "pixel": 0.35242271423339844},
                "persisted": True,
            }
        }
    )

    request_id: str
    model: str
    version: str
    old: ThresholdPairOut
    new: ThresholdPairOut = Field(description="In force from the next picture on.")
    persisted: bool = Field(
        description="Whether it survives a restart; if not, the model's folder cannot be written."
    )


_FIXED = ForbiddenError(
    "this server's thresholds are not to be changed; whoever runs it may set threshold_changes, "
    "and a request may name a threshold for itself"
)
_RESPONSES = problem_responses(_FIXED, FOREIGN_PAGE, NO_MODEL, NOT_READY)
_OF_A_BODY = problem_responses(
    SLOW_BODY, InvalidParameterError("the body: Value error, name image, pixel or both")
)
_OF_A_REASON = problem_responses(
    InvalidParameterError(f"reason: String should have at most {MAX_REASON} characters")
)


def thresholds_router(
    repository: ModelRepository, metrics: Metrics, trail: AuditTrail, allowed: bool
) -> APIRouter:
    """The routes that change thresholds.

    Args:
        repository: the models.
        metrics: counts the changes.
        trail: notes the changes in the audit log.
        allowed: whether requests may change thresholds; else each gets 403.
    """
    router = APIRouter(tags=["models"], responses=_RESPONSES)

    def changeable(request: Request, name: str) -> ModelVersion:
        if not allowed:
            raise ForbiddenError(str(_FIXED))
        return repository.get(name, version_of(request))

    async def change(
        request: Request, model: ModelVersion, apply: Apply, reason: str | None = None
    ) -> ThresholdChangeOut:
        # In a thread, as it waits for the disk.
        done = await asyncio.to_thread(apply, model.check_ready().thresholds)
        for kind in done.kinds:
            metrics.threshold_changed(model.name, kind)
        answer = ThresholdChangeOut(
            request_id=request_id_of(request.scope),
            model=model.name,
            version=model.version,
            old=ThresholdPairOut.model_validate(done.before),
            new=ThresholdPairOut.model_validate(done.after),
            persisted=done.persisted,
        )
        caller, client = caller_of(request.scope).name, client_of(request)
        change = Change(
            *(caller, "threshold_changed", model.name, model.version),
            old=answer.old.model_dump(),
            new=answer.new.model_dump(),
            reason=reason,
            client=client,
        )
        facts = {"action": request.method, **answer.model_dump()}
        await trail.note(change, {**facts, "reason": reason, "caller": caller, "client": client})
        return answer

    @versioned(
        router.put,
        "/v1/models/{name}/threshold",
        "set_threshold_of_version",
        responses=_OF_A_BODY,
        openapi_extra=described_body(ThresholdsIn, required=True),
    )
    async def set_threshold(request: Request, name: Name) -> ThresholdChangeOut:
        """Serve the active version, or the version in the path, by another threshold.

        The threshold is in force from the next picture on.
        """
        model = changeable(request, name)
        wanted = await read_json(request, ThresholdsIn)

        def apply(thresholds: DeployedThresholds) -> ThresholdChange:
            return thresholds.change(image=wanted.image, pixel=wanted.pixel, reason=wanted.reason)

        return await change(request, model, apply, wanted.reason)

    @versioned(
        router.delete,
        "/v1/models/{name}/threshold",
        "reset_threshold_of_version",
        responses=_OF_A_REASON,
    )
    async def reset_threshold(
        request: Request, name: Name, reason: Reason = None
    ) -> ThresholdChangeOut:
        """Go back to the bundle's thresholds, of the active version or the version in the path."""
        return await change(request, changeable(request, name), DeployedThresholds.reset, reason)

    return router
