"""The JSON of requests that change a model, and of what they did."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.api.schemas import Schema
from service.bundles.thresholds import MAX_REASON


class ThresholdsIn(BaseModel):
    """Thresholds to serve by, instead of the bundle's; at least one."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        strict=True,
        json_schema_extra={"example": {"image": 0.41, "reason": "new lamp, see shift log"}},
    )

    image: float | None = Field(None, description="Of a picture's score; null leaves it.")
    pixel: float | None = Field(None, description="Of a map value; null leaves it.")
    reason: str | None = Field(None, max_length=MAX_REASON, description="Kept and logged.")

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if self.image is None and self.pixel is None:
            raise ValueError("name image, pixel or both")
        return self


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
