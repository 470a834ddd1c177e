"""Answers of a server as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from takt_client.errors import TaktError

HeatmapKind = Literal["none", "map", "overlay", "raw"]
ImageFormat = Literal["png", "jpeg", "webp"]
Priority = Literal["line", "bulk"]
VerdictName = Literal["good", "defect", "undecided"]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the original picture, its corner at the top left."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Region:
    """A connected part of the picture whose anomaly map exceeds the pixel threshold.

    Attributes:
        box: its bounding rectangle.
        area_px: pixels of the original picture that it covers.
        peak: the highest map value in it.
    """

    box: Box
    area_px: int
    peak: float


@dataclass(frozen=True, slots=True)
class Heatmap:
    """A rendered heatmap: an encoded picture, or a .npy of the float32 anomaly map."""

    kind: HeatmapKind
    format: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Timings:
    """Time of each stage on the server, in milliseconds."""

    decode_ms: float
    preprocess_ms: float
    queue_ms: float
    engine_ms: float
    postprocess_ms: float
    render_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a picture cannot be judged: a fact of it lies far beyond those of good parts.

    Attributes:
        fact: that lies beyond, such as `brightness`.
        value: of the picture.
        low: least value at which a picture is judged.
        high: largest one; None where none is too high.
        text: the same in words.
    """

    fact: str
    value: float
    low: float
    high: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """Answer to one picture.

    Attributes:
        request_id: for the server's log; empty for a frame of a stream.
        model: name of the model that answered.
        version: of that model.
        score: of the whole picture, unbounded; higher is more anomalous.
        threshold: the one applied.
        anomalous: score > threshold, or a region: a value of the map > the pixel threshold; or the
            picture is undecided.
        percentile: share of good calibration pictures, in percent, that score no higher.
        width: of the picture, upright, in pixels.
        height: of the picture, upright, in pixels.
        inspected: the part of the picture that the model saw.
        regions: the defects, the highest peak first.
        heatmap: None unless one was asked for.
        timings: by stage, as the server measured them.
        warnings: codes of what speaks against the answer, such as `small_picture`.
        undecided: why the picture cannot be judged; None where it is judged.
    """

    request_id: str
    model: str
    version: str
    score: float
    threshold: float
    anomalous: bool
    percentile: float | None
    width: int
    height: int
    inspected: Box
    regions: tuple[Region, ...]
    heatmap: Heatmap | None
    timings: Timings
    warnings: tuple[str, ...] = ()
    undecided: Reason | None = None

    @property
    def verdict(self) -> VerdictName:
        """The verdict in a word; `undecided` where the picture cannot be judged."""
        if self.undecided is not None:
            return "undecided"
        return "defect" if self.anomalous else "good"


@dataclass(frozen=True, slots=True)
class ThresholdOrigin:
    """Origin of a threshold: the bundle, or an override at the line; `since` is UTC, ISO 8601."""

    source: Literal["bundle", "override"]
    since: str


@dataclass(frozen=True, slots=True)
class ThresholdPair:
    """Thresholds in force.

    Attributes:
        image: of a picture's score.
        pixel: of a map value.
        method: how the bundle's own were found.
        image_origin: where the one of the score comes from.
        pixel_origin: where the one of map values comes from.
    """

    image: float
    pixel: float
    method: str
    image_origin: ThresholdOrigin
    pixel_origin: ThresholdOrigin


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a model.

    Attributes:
        version: its name.
        state: `loading`, `ready`, `failed` or `closed`.
        reason: why it failed.
        engine: what runs it, in words; this and the rest are None until it is loaded.
        family: of detectors, such as `efficientad`.
        variant: of that family.
        thresholds: in force now.
    """

    version: str
    state: str
    reason: str | None
    engine: str | None
    family: str | None
    variant: str | None
    thresholds: ThresholdPair | None


@dataclass(frozen=True, slots=True)
class Model:
    """A model and its versions; `active` is the one that answers where a call names none.

    It is empty where none answers by itself, as a first version waits for its activation.
    """

    name: str
    active: str
    versions: tuple[ModelVersion, ...]


@dataclass(frozen=True, slots=True)
class VersionReadiness:
    """Whether one version of a model answers, and, if not, why."""

    model: str
    version: str
    ready: bool
    state: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether every model answers."""

    ready: bool
    versions: tuple[VersionReadiness, ...]


@dataclass(frozen=True, slots=True)
class Vote:
    """Verdict of the last frames together: `count` of the last `of` frames were anomalous.

    `undecided` of these could not be judged.
    """

    anomalous: bool
    count: int
    of: int
    undecided: int = 0


@dataclass(frozen=True, slots=True)
class PartView:
    """A view of a part; what is None is so until the view is inspected.

    Attributes:
        view: its name in the recipe.
        state: `waiting`, `inspecting`, `inspected` or, of a part that has ended, `missing`.
        request_id: of its inspection.
        inspection_id: of its inspection in the server's record; None until it is stored.
        model: that has answered.
        version: of the model.
        verdict: on the view alone.
        score: of the picture.
        threshold: the one applied.
        scaled: how near it is to being rejected, 1 at its thresholds; None where one of them is
            not above 0.
    """

    view: str
    state: str
    request_id: str | None
    inspection_id: int | None
    model: str | None
    version: str | None
    verdict: VerdictName | None
    score: float | None
    threshold: float | None
    scaled: float | None


@dataclass(frozen=True, slots=True)
class PartResult:
    """The one result of a part.

    Attributes:
        verdict: `defect` where a view is, `good` where all are, else `undecided`.
        reason: why it is undecided, `missing_view` or `undecided`; None where it is not.
        score: the highest `scaled` of its views; None where none has one.
        view: the view whose that is.
        ended_by: `views`, `end`, `deadline` or `closing`.
        ended_at: UTC, ISO 8601.
        views: every view of the recipe, in its order.
        decided_by: the view that decided; None where all are good.
        witness: what decided that this view is a defect, its `score`, or a `region` where the map
            alone did; None where the part is none.
    """

    verdict: VerdictName
    reason: str | None
    score: float | None
    view: str | None
    ended_by: str
    ended_at: str
    views: tuple[PartView, ...]
    decided_by: str | None = None
    witness: str | None = None


@dataclass(frozen=True, slots=True)
class FrameView:
    """The part that a frame shows a view of.

    Attributes:
        part: its id.
        number: tells it from other parts of this id.
        recipe: name of the recipe.
        revision: of the recipe.
        view: name of the view.
        result: of the part, if this view was inspected last; else None.
    """

    part: str
    number: int
    recipe: str
    revision: int
    view: str
    result: PartResult | None


@dataclass(frozen=True, slots=True)
class FrameAnswer:
    """Answer to one frame of a stream.

    Attributes:
        sequence: number of the frame, from 0 on in the order of sending.
        captured_us: as the sender gave it.
        age_ms: from the frame's arrival at the server to its answer.
        dropped: frames of this session that were dropped so far.
        inspected: what was found.
        smoothed_score: None where no smoothing was asked for, and of a view.
        vote: None where no vote was asked for, and of a view.
        view: of a part that the frame shows, as it was sent; else None.
    """

    sequence: int
    captured_us: int
    age_ms: float
    dropped: int
    inspected: Inspected
    smoothed_score: float | None
    vote: Vote | None
    view: FrameView | None = None


@dataclass(frozen=True, slots=True)
class FrameRefused:
    """A frame that cannot be answered, in its place in the order, and why."""

    sequence: int
    error: TaktError


@dataclass(frozen=True, slots=True)
class FrameDropped:
    """A frame that a newer one replaced; `dropped` counts those of this session."""

    sequence: int
    dropped: int


StreamItem = FrameAnswer | FrameRefused | FrameDropped


@dataclass(frozen=True, slots=True)
class StreamTimes:
    """Percentiles of a time, in ms, over a stream's last answers; None while there is none."""

    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class StreamStats:
    """Counts of a session, by the server.

    Attributes:
        frames: that arrived; each was answered, refused (`errors`) or dropped.
        answered: frames with a score.
        errors: frames that were refused.
        dropped: frames that a newer one replaced.
        anomalous: answered frames that are anomalous.
        duration_s: of the session.
        frames_per_s: the rate of the last answers.
        latency_ms: the server's own time for a picture.
        age_ms: from a frame's arrival at the server to its answer.
        undecided: anomalous frames that could not be judged.
    """

    frames: int
    answered: int
    errors: int
    dropped: int
    anomalous: int
    duration_s: float
    frames_per_s: float
    latency_ms: StreamTimes
    age_ms: StreamTimes
    undecided: int = 0
