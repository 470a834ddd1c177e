"""`PUT` and `DELETE /v1/models/{name}/threshold`: other thresholds, while serving."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field, model_validator

from takt.api.examples import FOREIGN_PAGE, NO_MODEL, NOT_LED, NOT_READY, SLOW_BODY
from takt.api.given import BodyIn, Reason
from takt.api.json_body import described_body, read_json
from takt.api.paths import Name, version_of, versioned
from takt.api.problems import problem_responses
from takt.api.rest.ordering import order_of
from takt.api.schemas import ReplyOut, Schema
from takt.core.bundles.thresholds import MAX_REASON
from takt.core.errors import ConflictError, ForbiddenError, InvalidParameterError
from takt.core.pictures.good_facts import LEAST
from takt.repository.orders import Orders
from takt.repository.repository import ModelRepository


class ThresholdsIn(BodyIn):
    """Thresholds to serve by, instead of the bundle's, or the switch; at least one of the three."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"image": 0.41, "reason": "new lamp, see shift log"},
            "if": {"properties": {"image": {"const": None}, "pixel": {"const": None}}},
            "then": {"required": ["undecided"], "properties": {"undecided": {"type": "boolean"}}},
        },
    )

    image: float | None = Field(None, description="Of a picture's score; null leaves it.")
    pixel: float | None = Field(None, description="Of a map value; null leaves it.")
    undecided: bool | None = Field(
        None,
        description="Whether a picture that cannot be judged gets the verdict `undecided`, and "
        "counts as anomalous; null leaves it. It stays where thresholds are reset.",
    )
    reason: str | None = Field(None, max_length=MAX_REASON, description="Kept and logged.")

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if self.image is None and self.pixel is None and self.undecided is None:
            raise ValueError("name image, pixel or undecided")
        return self


class ThresholdPairOut(Schema):
    """Both thresholds and the switch at one moment."""

    image: float
    pixel: float
    undecided: bool = Field(description="Whether a picture that cannot be judged is `undecided`.")


class ThresholdChangeOut(ReplyOut):
    """What a change of thresholds did."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "request_id": "35c7ec6c827545eba233163cd458b0c0",
                "model": "pitting",
                "version": "1",
                "old": {
                    "image": 0.35242271423339844,
                    "pixel": 0.35242271423339844,
                    "undecided": False,
                },
                "new": {"image": 0.41, "pixel": 0.35242271423339844, "undecided": False},
                "persisted": True,
            }
        }
    )

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
_NO_GOOD_FACTS = ConflictError(
    "parts 1 does not know what its good pictures look like, so it cannot tell which ones cannot "
    f"be judged; `takt calibrate` with at least {LEAST} pictures of good parts adds it"
)
_RESPONSES = problem_responses(_FIXED, FOREIGN_PAGE, NO_MODEL, NOT_READY, NOT_LED)
_OF_A_BODY = problem_responses(
    _NO_GOOD_FACTS,
    SLOW_BODY,
    InvalidParameterError("the body: Value error, name image, pixel or undecided"),
)
_OF_A_REASON = problem_responses(
    InvalidParameterError(f"reason: String should have at most {MAX_REASON} characters")
)


def thresholds_router(repository: ModelRepository, orders: Orders, allowed: bool) -> APIRouter:
    """The routes that change thresholds.

    Args:
        repository: the models.
        orders: makes the changes.
        allowed: whether requests may change thresholds; else each gets 403.
    """
    router = APIRouter(tags=["models"], responses=_RESPONSES)

    def check(request: Request, name: str) -> str | None:
        """The version that is named, if it is one of the model's."""
        if not allowed:
            raise ForbiddenError(str(_FIXED))
        version = version_of(request)
        repository.get(name, version)
        return version

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
        version = check(request, name)
        wanted = await read_json(request, ThresholdsIn)
        order = replace(
            order_of(request, "set_thresholds", name, version, wanted.reason),
            image=wanted.image,
            pixel=wanted.pixel,
            undecided=wanted.undecided,
        )
        return ThresholdChangeOut.model_validate(await orders.make(order))

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
        version = check(request, name)
        order = order_of(request, "reset_thresholds", name, version, reason)
        return ThresholdChangeOut.model_validate(await orders.make(order))

    return router
