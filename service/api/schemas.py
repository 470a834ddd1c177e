"""The JSON of the HTTP API: what a client reads, with examples, and how it is made."""

from __future__ import annotations

import base64
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.domain import Box, Heatmap, Inspection, Json


class _Schema(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ImageSize(_Schema):
    """The picture's size, upright, in pixels."""

    width: int
    height: int


class RegionOut(_Schema):
    """A connected defect."""

    box: list[int] = Field(description="x, y, width, height in pixels of the picture.")
    area: int = Field(description="Pixels of the picture that it covers.")
    peak: float = Field(description="The highest value of the anomaly map in it.")


class HeatmapOut(_Schema):
    """A heatmap as text."""

    kind: Literal["map", "overlay", "raw"]
    format: Literal["png", "jpeg", "webp", "npy"]
    data: str = Field(description="Base64 of the picture, or of a .npy with the float32 map.")


class TimingsOut(_Schema):
    """Where the time went, in milliseconds."""

    decode: float
    preprocess: float
    queue: float
    engine: float
    postprocess: float
    render: float
    total: float


class InspectionOut(_Schema):
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
                "percentile": 100.0,
                "image": {"width": 565, "height": 230},
                "inspected": [0, 0, 565, 230],
                "regions": [{"box": [417, 89, 40, 19], "area": 387, "peak": 0.5764111280441284}],
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

    request_id: str
    model: str
    version: str
    score: float
    threshold: float
    anomalous: bool = Field(description="score > threshold")
    percentile: float | None = Field(
        description="Share of good calibration pictures that score no higher, in percent."
    )
    image: ImageSize
    inspected: list[int] = Field(
        description="x, y, width, height of the part the model saw, to the nearest pixel."
    )
    regions: list[RegionOut] = Field(description="The highest peak first.")
    heatmap: HeatmapOut | None
    timings_ms: TimingsOut


class ProblemOut(_Schema):
    """An RFC 9457 problem."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:takt:error:invalid_image",
                "title": "Invalid image",
                "status": 400,
                "detail": "the JPEG is cut short; send the whole file",
                "code": "invalid_image",
                "request_id": "2e1300ba06a94a31bef0585f8ff6dbc1",
            }
        }
    )

    type: str
    title: str
    status: int
    detail: str = Field(description="What went wrong, and what to do.")
    code: str = Field(description="Stable; for programs.")
    request_id: str


class ThresholdsOut(_Schema):
    """From which values on a picture or a pixel counts as anomalous."""

    image: float
    pixel: float
    alpha: float | None
    method: str


class DriftOut(_Schema):
    """By how much the engine answered the golden inputs unlike the trained model."""

    score: float = Field(description="The largest absolute difference of a score.")
    anomaly_map: float = Field(description="The largest absolute difference of a map value.")
    tolerance: float = Field(description="The largest of either at which an engine may serve.")


class VersionOut(_Schema):
    """One version of a model."""

    version: str
    state: Literal["loading", "ready", "failed", "closed"]
    reason: str | None = Field(description="Why it failed.")
    engine: str | None
    family: str | None
    variant: str | None
    input: ImageSize | None
    thresholds: ThresholdsOut | None
    drift: DriftOut | None
    notes: list[str] = Field(description="What else its answers rest on, in words.")


class ModelOut(_Schema):
    """A model and its versions."""

    name: str
    active: str = Field(description="The version that answers where a request names none.")
    versions: list[VersionOut]


class ModelsOut(_Schema):
    """Every model of this server."""

    models: list[ModelOut]


class LiveOut(_Schema):
    """The process answers."""

    status: Literal["live"]


class ReadinessOut(_Schema):
    """Whether every model's engine answered like the trained model, and lives."""

    ready: bool
    models: list[ModelState]


class ModelState(_Schema):
    """Readiness of one version."""

    name: str
    version: str
    ready: bool
    state: str
    reason: str | None


def inspection_json(inspection: Inspection, request_id: str) -> Json:
    """An inspection in the form of `InspectionOut`, made by hand because it is the hot path."""
    verdict, timings = inspection.verdict, inspection.timings
    return {
        "request_id": request_id,
        "model": inspection.model,
        "version": inspection.version,
        "score": verdict.score,
        "threshold": verdict.threshold,
        "anomalous": verdict.anomalous,
        "percentile": verdict.percentile,
        "image": {"width": inspection.width, "height": inspection.height},
        "inspected": _box(inspection.inspected),
        "regions": [
            {"box": _box(region.box), "area": region.area_px, "peak": region.peak}
            for region in verdict.regions
        ],
        "heatmap": _heatmap(inspection.heatmap),
        "timings_ms": {
            "decode": round(timings.decode_ms, 3),
            "preprocess": round(timings.preprocess_ms, 3),
            "queue": round(timings.queue_ms, 3),
            "engine": round(timings.engine_ms, 3),
            "postprocess": round(timings.postprocess_ms, 3),
            "render": round(timings.render_ms, 3),
            "total": round(timings.total_ms, 3),
        },
    }


def _box(box: Box) -> list[int]:
    return [box.x, box.y, box.width, box.height]


def _heatmap(heatmap: Heatmap | None) -> Json | None:
    if heatmap is None:
        return None
    data = base64.b64encode(heatmap.data).decode()
    return {"kind": heatmap.kind, "format": heatmap.format, "data": data}
