"""The JSON and the options of the HTTP API, as its documentation shows them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from takt.api.labels import LabelsIn
from takt.core.domain import (
    FactName,
    HeatmapKind,
    ImageFormat,
    InspectOptions,
    Priority,
    VerdictName,
    WarningCode,
)

SCHEMA_REFERENCE = "#/components/schemas/{model}"
"""Place of a model's schema in the API's document."""

BYTES = {"schema": {"type": "string", "format": "binary"}}
"""A body of bytes, such as a picture, in the API's document."""


def reference_to(kind: type[BaseModel]) -> dict[str, str]:
    """A reference to a model's schema, for what a route reads or answers by itself.

    >>> reference_to(OptionsIn)
    {'$ref': '#/components/schemas/OptionsIn'}
    """
    return {"$ref": SCHEMA_REFERENCE.format(model=kind.__name__)}


class OptionsIn(LabelsIn):
    """The options of a request or stream; an unknown name is refused, since it may be a typo.

    >>> OptionsIn(heatmap="map", timeout_ms=200).options(default_timeout_ms=30_000).timeout_s
    0.2
    """

    heatmap: HeatmapKind = Field(
        "none",
        description="`map` is coloured, `overlay` lies on the picture, `raw` is a .npy of the "
        "float32 map at its own size.",
    )
    format: ImageFormat = Field("jpeg", description="Of `map` and `overlay`.")
    threshold: float | None = Field(None, description="Instead of the model's, for this verdict.")
    pixel_threshold: float | None = Field(
        None,
        description="Instead of the model's, for these regions and this verdict. With a value that "
        "no map reaches, such as 1e30, the score alone decides.",
    )
    timeout_ms: float | None = Field(
        None, gt=0, le=3_600_000, description="504 after this; else the server's `timeout_ms`."
    )
    priority: Priority = Field(
        "line",
        description="`line` pictures go before `bulk` ones, which get 429 from half a queue on.",
    )

    def options(self, default_timeout_ms: float, caller: str = "") -> InspectOptions:
        """The options of a caller's inspection; the timeout is the default where none is given."""
        timeout_ms = default_timeout_ms if self.timeout_ms is None else self.timeout_ms
        return InspectOptions(
            heatmap=self.heatmap,
            format=self.format,
            threshold=self.threshold,
            pixel_threshold=self.pixel_threshold,
            timeout_s=timeout_ms / 1000,
            priority=self.priority,
            caller=caller,
        )


class PictureForm(BaseModel):
    """A picture as the one file of a form."""

    image: bytes = Field(description="A JPEG, PNG, BMP, WebP or TIFF.")


class Schema(BaseModel):
    """Base of what a client reads: it has no other fields than the documented ones.

    Where our own word for a field is another one, `validation_alias` has it.
    """

    model_config = ConfigDict(extra="forbid", from_attributes=True, populate_by_name=True)


class ReplyOut(Schema):
    """Base of what answers a request: it names the request, as the header `X-Request-ID` does."""

    request_id: str


class ImageSize(Schema):
    """The picture's size, upright, in pixels."""

    width: int
    height: int


class ReasonOut(Schema):
    """Why a picture cannot be judged: a fact of it lies far beyond those of good parts."""

    fact: FactName = Field(description="That lies beyond.")
    value: float = Field(description="Of the picture.")
    low: float = Field(description="Least value at which a picture is judged.")
    high: float | None = Field(description="Largest one; null where none is too high.")
    text: str = Field(description="The same in words.")


class RegionOut(Schema):
    """A connected defect."""

    box: list[int] = Field(description="x, y, width, height in pixels of the picture.")
    area: int = Field(description="Pixels of the picture that it covers.")
    peak: float = Field(description="The highest value of the anomaly map in it.")


class HeatmapOut(Schema):
    """A heatmap as text."""

    kind: Literal["map", "overlay", "raw"]
    format: Literal["png", "jpeg", "webp", "npy"]
    data: str = Field(description="Base64 of the picture, or of a .npy with the float32 map.")


class TimingsOut(Schema):
    """Where the time went, in milliseconds."""

    decode: float
    preprocess: float
    queue: float
    engine: float
    postprocess: float
    render: float
    total: float


class InspectedOut(ReplyOut):
    """What the answer to one picture has in every protocol."""

    model: str
    version: str
    score: float
    threshold: float
    anomalous: bool = Field(
        description="score > threshold, or a region: a value of the map > the pixel threshold; or "
        "the picture is undecided: whoever rejects by this alone lets nothing pass unjudged."
    )
    verdict: VerdictName = Field(
        description="`undecided` where the picture cannot be judged, as its model's owner has "
        "switched on."
    )
    undecided: ReasonOut | None = Field(
        description="Why the picture cannot be judged; null where it is judged."
    )
    percentile: float | None = Field(
        description="Share of good calibration pictures that score no higher, in percent."
    )
    image: ImageSize
    inspected: list[int] = Field(
        description="x, y, width, height of the part the model saw, to the nearest pixel."
    )
    regions: list[RegionOut] = Field(description="The highest peak first.")
    warnings: list[WarningCode] = Field(
        description="What speaks against the answer: a picture too small for the model, or of a "
        "size or shape that it has not seen, or a 16-bit file of another depth than it reads."
    )
    timings_ms: TimingsOut


class InspectionOut(InspectedOut):
    """The answer to one picture."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "request_id": "35c7ec6c827545eba233163cd458b0c0",
                "model": "pitting",
                "version": "1",
                "score": 0.5764111280441284,
                "threshold": 0.35242271423339844,
                "anomalous": True,
                "verdict": "defect",
                "undecided": None,
                "percentile": 100.0,
                "image": {"width": 565, "height": 230},
                "inspected": [0, 0, 565, 230],
                "regions": [{"box": [417, 89, 40, 19], "area": 387, "peak": 0.5764111280441284}],
                "warnings": [],
                "heatmap": None,
                "timings_ms": {
                    "decode": 0.919,
                    "preprocess": 0.862,
                    "queue": 2.428,
                    "engine": 371.793,
                    "postprocess": 0.998,
                    "render": 0.001,
                    "total": 377.526,
                },
            }
        }
    )

    heatmap: HeatmapOut | None


class ProblemOut(Schema):
    """An RFC 9457 problem."""

    type: str
    title: str
    status: int
    detail: str = Field(description="What went wrong, and what to do.")
    code: str = Field(description="Stable; for programs.")
    request_id: str


class OipProblemOut(ProblemOut):
    """A problem as the clients of the Open Inference Protocol read it."""

    error: str = Field(description="The same as `detail`.")


class LiveOut(Schema):
    """The process answers."""

    status: Literal["live"]


class ReadinessOut(Schema):
    """Whether every model's engine answered like the trained model, and lives."""

    ready: bool
    models: list[ModelState] = Field(description="Empty for whoever may not read them.")
    reason: str | None = Field(
        description="Why no model is known yet, where bundles come from a URL, or none answers, "
        "where all wait for an activation; null otherwise, and for whoever may not read."
    )


class ModelState(Schema):
    """Readiness of one version."""

    name: str
    version: str
    ready: bool
    state: str
    reason: str | None
