"""Values from a server's JSON; unknown fields are passed over."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from takt_client.errors import UnreadableAnswerError
from takt_client.values import (
    Box,
    Heatmap,
    Inspected,
    Model,
    ModelVersion,
    Readiness,
    Reason,
    Region,
    StreamStats,
    StreamTimes,
    ThresholdOrigin,
    ThresholdPair,
    Timings,
    VersionReadiness,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

Json = dict[str, Any]


def inspected_of(answer: Json) -> Inspected:
    """From the JSON of `POST .../inspect`; a wrong field raises what it raises, here and below."""
    heatmap = answer["heatmap"]
    if heatmap is not None:
        data = base64.b64decode(heatmap["data"], validate=True)
        heatmap = Heatmap(heatmap["kind"], heatmap["format"], data)
    return inspection_of(answer, heatmap)


def models_of(answer: Json) -> tuple[Model, ...]:
    """From the JSON of `GET /v1/models`."""
    return tuple(model_of(model) for model in answer["models"])


def model_of(model: Json) -> Model:
    """From the JSON of `GET /v1/models/{name}`."""
    return record_of(Model, model, versions=tuple(_version(one) for one in model["versions"]))


def readiness_of(answer: Json) -> Readiness:
    """From the JSON of `GET /health/ready`, of status 200 or 503."""
    versions = (record_of(VersionReadiness, one, model=one["name"]) for one in answer["models"])
    return record_of(Readiness, answer, versions=tuple(versions))


def stats_of(body: Json) -> StreamStats:
    """From the `stats` of a goodbye."""
    return record_of(
        StreamStats,
        body,
        duration_s=float(body["seconds"]),
        latency_ms=record_of(StreamTimes, body["latency_ms"]),
        age_ms=record_of(StreamTimes, body["age_ms"]),
        undecided=int(body.get("undecided", 0)),
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


_READ: dict[object, Callable[[Any], object]] = {"int": int, "float": float, "bool": truth}


def record_of(kind: type[T], body: Json, **given: object) -> T:
    """A value whose fields have the JSON's names, apart from those that are given."""
    values = []
    for field in fields(kind):
        if field.name in given:
            values.append(given[field.name])
        else:
            value = body[field.name]
            read = _READ.get(field.type)
            values.append(value if read is None else read(value))
    return kind(*values)


def inspection_of(answer: Json, heatmap: Heatmap | None) -> Inspected:
    """From the fields that REST and stream share."""
    timings, image = answer["timings_ms"], answer["image"]
    regions = answer["regions"]
    return record_of(
        Inspected,
        answer,
        request_id=answer.get("request_id") or "",
        width=image["width"],
        height=image["height"],
        inspected=Box(*answer["inspected"]),
        regions=tuple(Region(Box(*one["box"]), one["area"], one["peak"]) for one in regions),
        heatmap=heatmap,
        timings=Timings(*(timings[stage.name.removesuffix("_ms")] for stage in fields(Timings))),
        # Servers before API 1.3 send none.
        warnings=tuple(answer.get("warnings", ())),
        undecided=_reason(answer.get("undecided")),
    )


def _reason(reason: Json | None) -> Reason | None:
    """Why a picture cannot be judged; servers before API 2.10 do not tell."""
    return None if reason is None else record_of(Reason, reason)


def _version(version: Json) -> ModelVersion:
    thresholds = version["thresholds"]
    if thresholds is not None:
        origins = {
            f"{kind}_origin": record_of(ThresholdOrigin, thresholds["origin"][kind])
            for kind in ("image", "pixel")
        }
        thresholds = record_of(ThresholdPair, thresholds, **origins)
    return record_of(ModelVersion, version, thresholds=thresholds)
