"""The values that travel through the service, and the JSON of an answer."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Image = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]
"""RGB uint8 [height, width, 3]."""

PICTURE_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Endings of the names of files that are pictures, in lower case."""

UNREAD_SUFFIXES: Final = (".apng", ".avif", ".gif", ".heic", ".heif", ".jp2", ".jxl")
"""Endings of pictures that are not read, in lower case; nobody means to leave them out."""

UNREAD: Final = (
    "pictures of this kind are not read; save it as PNG (of an animation one picture), or take it "
    "out of the folder"
)
"""What is said of such a file."""

Levels = np.ndarray[tuple[int, int, int], np.dtype[np.float32]]
"""RGB float32 [height, width, 3]; levels from 0 to 255, not rounded."""

ModelInput = Image | Levels
"""What a graph takes of one picture, as its bundle says."""

Batch = NDArray[np.uint8] | NDArray[np.float32]
"""Model inputs of several pictures, [N, height, width, 3]."""

AnomalyMap = NDArray[np.float32]
"""float32 [h, w], or [N, h, w] for a batch; unbounded, higher is more anomalous."""

FactVector = NDArray[np.float32]
"""Facts of a picture, float32 [facts], as `takt.core.pictures.facts` lists them; NaN where one
is unknown."""

FactName = Literal[
    "brightness",
    "contrast",
    "sharpness",
    "noise",
    "saturation",
    "warmth",
    "tint",
    "dark",
    "bright",
    "shift_x",
    "shift_y",
    "likeness",
    "spot",
    "texture",
    "aspect",
    "map_level",
    "score",
    "turn",
    "size",
    "match",
]
"""A fact of a picture; `takt.core.pictures.facts` has what each means."""

HeatmapKind = Literal["none", "map", "overlay", "raw"]
ImageFormat = Literal["png", "jpeg", "webp"]
ThresholdKind = Literal["image", "pixel"]
PixelFormat = Literal["rgb8", "bgr8", "mono8"]
Priority = Literal["line", "bulk"]
"""Pictures of the line go before those of the bulk."""
ProtocolName = Literal["rest", "stream", "oip"]
"""Protocol by which a picture came."""
DropReason = Literal["expired", "abandoned"]
"""Why a waiting item was not run: its time ran out, or its caller left."""
EngineFault = Literal["failing", "hung", "died"]
"""Why an engine is mended: batch after batch fails, one never ends, or its thread has ended."""
Orientation = Literal["apply", "ignore"]
"""How a model sees a picture that its file says to turn: as a person does, or as it is stored."""
Depth = Literal["full", "12", "14", "max", "pillow"]
"""The levels of a 16-bit file that become 0 to 255; see `takt.core.pictures.depth`."""
WarningCode = Literal[
    "small_picture",
    "other_size",
    "other_shape",
    "dark_depth",
    "clipped_depth",
]
"""What can speak against an answer; `takt.core.pictures.warnings` has the rules."""
FindingCode = Literal[
    "good_rejected",
    "made_up_missed",
    "odd_picture",
    "defects_missed",
    "few_steps",
    "few_pictures",
    "duplicate_pictures",
    "other_size",
]
"""What a self-test can find against a model."""
CloseReason = Literal[
    "too_many",
    "too_many_of_client",
    "no_descriptor",
    "evicted",
    "handshake",
    "slow_request",
    "unread_answer",
    "headers_too_large",
    "malformed",
    "pipelined",
    "chatter",
    "no_memory",
]
"""Why the server ended a connection by itself."""

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
        width: pixels of a row.
        height: number of rows.
        format: order of a pixel's bytes.
    """

    pixels: bytes | memoryview
    width: int
    height: int
    format: PixelFormat


class ModelOutput(NamedTuple):
    """A graph's output for one picture: anomaly_map, float32 [h, w], and score."""

    anomaly_map: AnomalyMap
    score: float


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the original picture; (x, y) is its top left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Region:
    """A connected part of the picture whose map exceeds the pixel threshold.

    Attributes:
        box: bounding rectangle.
        area_px: pixels of the original picture that the region covers.
        peak: highest map value in the region.
    """

    box: Box
    area_px: int
    peak: float


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a picture cannot be judged: a fact of it lies far beyond those of good ones.

    Attributes:
        fact: that lies beyond.
        value: of the picture.
        low: least value at which a picture is judged.
        high: largest one; None where none is too high.
        text: the same in words.
    """

    fact: FactName
    value: float
    low: float
    high: float | None
    text: str


VerdictName = Literal["good", "defect", "undecided"]
"""What is decided of a picture; `undecided` where it cannot be judged."""


def verdict_name(anomalous: bool, undecided: object | None) -> VerdictName:
    """The verdict in a word.

    >>> verdict_name(True, None)
    'defect'

    Args:
        anomalous: whether the picture is rejected.
        undecided: why it cannot be judged; None where it is judged.
    """
    if undecided is not None:
        return "undecided"
    return "defect" if anomalous else "good"


Witness = Literal["score", "region"]
"""What decided that a picture is a defect: its score, or a region where the map alone did."""


def witness_of(verdict: VerdictName, score: float, threshold: float) -> Witness | None:
    """What decided that a picture is a defect; None where it is none.

    >>> witness_of("defect", 0.6, 0.5), witness_of("defect", 0.4, 0.5), witness_of("good", 0.4, 0.5)
    ('score', 'region', None)
    """
    if verdict != "defect":
        return None
    return "score" if score > threshold else "region"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The meaning of a score and a map at the thresholds.

    Attributes:
        anomalous: whether score > threshold, or the map has a value > pixel_threshold; or whether
            the picture cannot be judged, as nothing that is not judged passes as good.
        score: score of the whole picture.
        threshold: the threshold that was applied, the bundle's or the request's.
        percentile: share of good calibration pictures, in percent, that score no higher.
        regions: anomalous regions, the highest peak first.
        pixel_threshold: the threshold of the map that was applied; at infinity only the score
            decides.
        typical_score: median score of the good calibration pictures; None where there are none.
        undecided: why the picture cannot be judged; None where it is judged.
        peak: highest value of the map; -infinity where nobody has told it.
    """

    anomalous: bool
    score: float
    threshold: float
    percentile: float | None
    regions: tuple[Region, ...]
    pixel_threshold: float = math.inf
    typical_score: float | None = None
    undecided: Reason | None = None
    peak: float = -math.inf

    @property
    def name(self) -> VerdictName:
        """The verdict in a word."""
        return verdict_name(self.anomalous, self.undecided)

    @property
    def witness(self) -> Witness | None:
        """What decided that the picture is a defect; None where it is none."""
        return witness_of(self.name, self.score, self.threshold)


@dataclass(frozen=True, slots=True)
class Labels:
    """What the caller says of a part, for the record; texts of their own making.

    Attributes:
        station: where the picture was taken.
        part: id of the part, such as its serial number.
        lot: that the part belongs to.
        tags: anything else, as names and values.
    """

    station: str | None = None
    part: str | None = None
    lot: str | None = None
    tags: tuple[tuple[str, str], ...] = ()


NO_LABELS = Labels()


@dataclass(frozen=True, slots=True)
class Source:
    """What gave an answer: a bundle, on an engine, on a processor.

    Attributes:
        digest: of the bundle, as its manifest says.
        engine: what runs where, for people.
        variant: of the bundle; empty for the reference graph.
        runtime: that runs the graph, with its version.
        processor: that it runs on.
    """

    digest: str
    engine: str
    variant: str
    runtime: str
    processor: str


UNKNOWN_SOURCE = Source("", "", "", "", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectOptions:
    """The choices of a request.

    Attributes:
        heatmap: `none`, the coloured `map`, the `overlay` on the picture, or the `raw` map.
        format: file format of a coloured heatmap.
        threshold: replaces the bundle's image threshold.
        pixel_threshold: replaces the bundle's pixel threshold.
        undecided: replaces the model's switch, by which a picture that cannot be judged is not.
        timeout_s: seconds after which the caller wants no answer any more.
        priority: `line` goes before `bulk` where both wait.
        with_map: whether the answer has the anomaly map itself, beside any heatmap.
        caller: whose share of the queue the picture takes; a key's name, or an address.
    """

    heatmap: HeatmapKind = "none"
    format: ImageFormat = "jpeg"
    threshold: float | None = None
    pixel_threshold: float | None = None
    undecided: bool | None = None
    timeout_s: float
    priority: Priority = "line"
    with_map: bool = False
    caller: str = ""


@dataclass(frozen=True, slots=True)
class Heatmap:
    """A rendered heatmap: an encoded picture, or a .npy of the float32 map."""

    kind: HeatmapKind
    format: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Timings:
    """Times of a picture's stages, in milliseconds."""

    decode_ms: float
    preprocess_ms: float
    queue_ms: float
    engine_ms: float
    postprocess_ms: float
    render_ms: float
    total_ms: float


STAGES = tuple(field.name.removesuffix("_ms") for field in fields(Timings))
"""Names of the times in `Timings`: the stages of a picture in their order, and `total`."""


class Inspection(NamedTuple):
    """The answer to one picture.

    Attributes:
        model: name of the model that answered.
        version: version of that model.
        verdict: score, threshold and regions.
        width: width of the picture, upright, in pixels.
        height: height of the picture, upright, in pixels.
        inspected: part of the picture that the model saw.
        heatmap: the heatmap, if the request chose one.
        timings: times by stage.
        anomaly_map: float32 [h, w], if the request wanted it.
        warnings: what speaks against the answer.
        source: what gave the answer.
        facts: of the picture, where the bundle has those of good ones.
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
    warnings: tuple[WarningCode, ...] = ()
    source: Source = UNKNOWN_SOURCE
    facts: FactVector | None = None


Json = dict[str, Any]
"""A JSON object on its way out."""


def inspection_json(inspection: Inspection, request_id: str) -> Json:
    """An inspection as its answer's JSON; made by hand because it is the hot path.

    `takt.api.schemas.InspectedOut` describes it for clients.
    """
    verdict, timings = inspection.verdict, inspection.timings
    return {
        "request_id": request_id,
        "model": inspection.model,
        "version": inspection.version,
        "score": verdict.score,
        "threshold": verdict.threshold,
        "anomalous": verdict.anomalous,
        "verdict": verdict.name,
        "undecided": optional_reason_json(verdict.undecided),
        "percentile": verdict.percentile,
        "image": {"width": inspection.width, "height": inspection.height},
        "inspected": box_json(inspection.inspected),
        "regions": regions_json(verdict.regions),
        "warnings": inspection.warnings,
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
        {"box": box_json(region.box), "area": region.area_px, "peak": region.peak}
        for region in regions
    ]


def reason_json(reason: Reason) -> Json:
    """Why a picture cannot be judged, as its answer's JSON."""
    return asdict(reason)


def optional_reason_json(reason: Reason | None) -> Json | None:
    """The same of a verdict, which as a rule has no reason."""
    return None if reason is None else reason_json(reason)


def box_json(box: Box) -> list[int]:
    """A rectangle as its JSON: x, y, width, height."""
    return [box.x, box.y, box.width, box.height]


def _heatmap_json(heatmap: Heatmap | None) -> Json | None:
    if heatmap is None:
        return None
    data = base64.b64encode(heatmap.data).decode()
    return {"kind": heatmap.kind, "format": heatmap.format, "data": data}
