"""The values that travel through the service: what is asked, what is answered."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Image = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]
"""RGB uint8 [height, width, 3]."""

AnomalyMap = NDArray[np.float32]
"""float32 [h, w], or [N, h, w] for a batch; unbounded, higher is more anomalous."""

HeatmapKind = Literal["none", "map", "overlay", "raw"]
ImageFormat = Literal["png", "jpeg", "webp"]
ThresholdKind = Literal["image", "pixel"]
PixelFormat = Literal["rgb8", "bgr8", "mono8"]
Priority = Literal["line", "bulk"]
"""Pictures of the line go before those of the bulk."""
ProtocolName = Literal["rest", "stream", "oip"]
"""How a picture came."""
DropReason = Literal["expired", "abandoned"]
"""Why what waited was not run: its time ran out, or its caller left."""

MEDIA_TYPES: dict[ImageFormat, str] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
}


@dataclass(frozen=True, slots=True)
class RawPicture:
    """Pixels as a camera gives them: rows from the top, without padding.

    Attributes:
        pixels: width · height pixels, of three bytes each or, for mono8, of one.
        width: in pixels.
        height: likewise.
        format: the order of a pixel's bytes.
    """

    pixels: bytes | memoryview
    width: int
    height: int
    format: PixelFormat


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """A graph's output for one picture: anomaly_map, float32 [h,w], and score."""

    anomaly_map: AnomalyMap
    score: float


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the original picture, its corner at the top left."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Region:
    """A connected part of the picture whose map exceeds the pixel threshold.

    Attributes:
        box: its bounding rectangle.
        area_px: pixels of the original picture that it covers.
        peak: the highest map value in it.
    """

    box: Box
    area_px: int
    peak: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the score and the map mean at the thresholds.

    Attributes:
        anomalous: score > threshold.
        score: of the whole picture.
        threshold: the one applied, the bundle's or the request's.
        percentile: share of good calibration pictures, in percent, that score no higher.
        regions: the highest peak first.
    """

    anomalous: bool
    score: float
    threshold: float
    percentile: float | None
    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectOptions:
    """What a request may choose.

    Attributes:
        heatmap: `none`, the coloured `map`, the `overlay` on the picture, or the `raw` map.
        format: of the coloured pictures.
        threshold: instead of the bundle's image threshold.
        pixel_threshold: instead of the bundle's pixel threshold.
        timeout_s: after which the caller wants no answer any more.
        priority: `line` goes before `bulk` where both wait.
        with_map: whether the answer is to have the anomaly map itself, beside any heatmap.
    """

    heatmap: HeatmapKind = "none"
    format: ImageFormat = "jpeg"
    threshold: float | None = None
    pixel_threshold: float | None = None
    timeout_s: float
    priority: Priority = "line"
    with_map: bool = False


@dataclass(frozen=True, slots=True)
class Heatmap:
    """A rendered heatmap: an encoded picture, or a .npy of the float32 map."""

    kind: HeatmapKind
    format: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Timings:
    """Where a request's time went, in milliseconds."""

    decode_ms: float
    preprocess_ms: float
    queue_ms: float
    engine_ms: float
    postprocess_ms: float
    render_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class Inspection:
    """The answer to one picture.

    Attributes:
        model: name of the model that answered.
        version: of that model.
        verdict: score, threshold and regions.
        width: of the picture, upright, in pixels.
        height: likewise.
        inspected: the part of the picture that the model saw.
        heatmap: if one was asked for.
        timings: by stage.
        anomaly_map: float32 [h, w], if it was asked for.
    """

    model: str
    version: str
    verdict: Verdict
    width: int
    height: int
    inspected: Box
    heatmap: Heatmap | None
    timings: Timings
    anomaly_map: AnomalyMap | None = None


Json = dict[str, Any]
"""A JSON object on its way out."""


def inspection_json(inspection: Inspection, request_id: str) -> Json:
    """An inspection as its answer's JSON; made by hand because it is the hot path.

    `service.api.schemas.InspectionOut` describes it for clients.
    """
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
        "regions": regions_json(verdict.regions),
        "heatmap": _heatmap_json(inspection.heatmap),
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


def regions_json(regions: Sequence[Region]) -> list[Json]:
    """Regions as their answer's JSON."""
    return [
        {"box": _box(region.box), "area": region.area_px, "peak": region.peak} for region in regions
    ]


def _box(box: Box) -> list[int]:
    return [box.x, box.y, box.width, box.height]


def _heatmap_json(heatmap: Heatmap | None) -> Json | None:
    if heatmap is None:
        return None
    data = base64.b64encode(heatmap.data).decode()
    return {"kind": heatmap.kind, "format": heatmap.format, "data": data}
