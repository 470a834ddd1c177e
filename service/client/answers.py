"""What a server answers, as values; made from its JSON, of which unknown fields are passed over."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from service.domain import Box, Heatmap, Json, Region, Timings
from service.errors import UnreadableAnswerError


@dataclass(frozen=True, slots=True)
class Inspected:
    """The answer to one picture.

    Attributes:
        request_id: for the server's log; empty for a frame of a stream.
        model: name of the model that answered.
        version: of that model.
        score: of the whole picture, unbounded; higher is more anomalous.
        threshold: the one applied.
        anomalous: score > threshold.
        percentile: share of good calibration pictures, in percent, that score no higher.
        width: of the picture, upright, in pixels.
        height: likewise.
        inspected: the part of the picture that the model saw.
        regions: the defects, the highest peak first.
        heatmap: if one was asked for: an encoded picture, or a .npy of the float32 map.
        timings: by stage, as the server measured them.
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


@dataclass(frozen=True, slots=True)
class ThresholdPair:
    """The thresholds in force: of a picture's score, and of a map value."""

    image: float
    pixel: float


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
    """A model and its versions; `active` names the one that answers where a call names none."""

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


def read_inspected(body: bytes) -> Inspected:
    """From the JSON of `POST .../inspect`.

    Raises:
        UnreadableAnswerError: it is something else; so do all functions here.
    """
    with readable("an inspection", body):
        answer = orjson.loads(body)
        return inspected_of(answer, _heatmap(answer["heatmap"]))


def inspected_of(answer: Json, heatmap: Heatmap | None) -> Inspected:
    """From the fields that REST and stream share; raises whatever a wrong field raises."""
    timings, image = answer["timings_ms"], answer["image"]
    return Inspected(
        request_id=answer.get("request_id") or "",
        model=answer["model"],
        version=answer["version"],
        score=float(answer["score"]),
        threshold=float(answer["threshold"]),
        anomalous=truth(answer["anomalous"]),
        percentile=answer["percentile"],
        width=image["width"],
        height=image["height"],
        inspected=Box(*answer["inspected"]),
        regions=tuple(
            Region(Box(*region["box"]), region["area"], region["peak"])
            for region in answer["regions"]
        ),
        heatmap=heatmap,
        timings=Timings(
            decode_ms=timings["decode"],
            preprocess_ms=timings["preprocess"],
            queue_ms=timings["queue"],
            engine_ms=timings["engine"],
            postprocess_ms=timings["postprocess"],
            render_ms=timings["render"],
            total_ms=timings["total"],
        ),
    )


def read_models(body: bytes) -> tuple[Model, ...]:
    """From the JSON of `GET /v1/models`."""
    with readable("a list of models", body):
        return tuple(_model(model) for model in orjson.loads(body)["models"])


def read_model(body: bytes) -> Model:
    """From the JSON of `GET /v1/models/{name}`."""
    with readable("a model", body):
        return _model(orjson.loads(body))


def read_readiness(body: bytes) -> Readiness:
    """From the JSON of `GET /health/ready`, be it of status 200 or 503."""
    with readable("a server's readiness", body):
        answer = orjson.loads(body)
        return Readiness(
            truth(answer["ready"]),
            tuple(
                VersionReadiness(
                    state["name"],
                    state["version"],
                    truth(state["ready"]),
                    state["state"],
                    state["reason"],
                )
                for state in answer["models"]
            ),
        )


@contextlib.contextmanager
def readable(what: str, body: bytes | str) -> Iterator[None]:
    """Turns what a wrong field raises into UnreadableAnswerError."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnreadableAnswerError(
            f"the server did not answer {what} ({error!r}), but {body[:200]!r}; check the URL, and "
            "that server and client are of the same release"
        ) from error


def truth(value: object) -> bool:
    """A JSON boolean and nothing else: a verdict is not to be guessed."""
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is no boolean")
    return value


def _heatmap(heatmap: Json | None) -> Heatmap | None:
    if heatmap is None:
        return None
    data = base64.b64decode(heatmap["data"], validate=True)
    return Heatmap(heatmap["kind"], heatmap["format"], data)


def _model(model: Json) -> Model:
    return Model(
        model["name"],
        model["active"],
        tuple(
            ModelVersion(
                version["version"],
                version["state"],
                version["reason"],
                version["engine"],
                version["family"],
                version["variant"],
                _thresholds(version["thresholds"]),
            )
            for version in model["versions"]
        ),
    )


def _thresholds(thresholds: Json | None) -> ThresholdPair | None:
    if thresholds is None:
        return None
    return ThresholdPair(float(thresholds["image"]), float(thresholds["pixel"]))
