"""Inspections as an inference response of the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from takt.api.oip.request import InferenceRequest, WantedOutput
from takt.core.domain import Inspection, Json, optional_reason_json, regions_json
from takt.core.errors import InvalidParameterError
from takt.core.tensors.protocol import (
    ANOMALOUS,
    ANOMALY_MAP,
    HEATMAP,
    REGIONS,
    SCORE,
    THRESHOLD,
    Values,
    tensor_out,
)


@dataclass(frozen=True, slots=True)
class InferenceResponse:
    """A body: JSON, and the binary data that follows it.

    Attributes:
        body: both.
        json_bytes: length of the JSON; None where the whole body is JSON.
    """

    body: bytes
    json_bytes: int | None


def response_of(request: InferenceRequest, inspections: Sequence[Inspection]) -> InferenceResponse:
    """Join the wanted outputs, with the pictures in the order of the request.

    Raises:
        InvalidParameterError: the maps of the pictures have different sizes.
    """
    tensors, parts = [], []
    for wanted, shape, values in outputs_of(request, inspections):
        tensor, data = tensor_out(wanted.spec, shape, values, wanted.binary)
        tensors.append(tensor)
        parts.append(data)
    head: Json = {
        "model_name": inspections[0].model,
        "model_version": inspections[0].version,
        "outputs": tensors,
    }
    if request.id is not None:
        head["id"] = request.id
    if parameters := parameters_of(inspections):
        head["parameters"] = parameters
    text = orjson.dumps(head)
    if not any(wanted.binary for wanted in request.outputs):
        return InferenceResponse(text, None)
    return InferenceResponse(b"".join((text, *parts)), len(text))


def outputs_of(
    request: InferenceRequest, inspections: Sequence[Inspection]
) -> Iterator[tuple[WantedOutput, Sequence[int], Values]]:
    """Each wanted output with its shape and values, the pictures in the order of the request.

    Raises:
        InvalidParameterError: the maps of the pictures have different sizes.
    """
    for wanted in request.outputs:
        values = _VALUES[wanted.spec.name](inspections)
        yield wanted, [len(values)] if isinstance(values, list) else values.shape, values


def parameters_of(inspections: Sequence[Inspection]) -> dict[str, str]:
    """What speaks against the answers, and why pictures cannot be judged; empty if nothing does.

    Both are JSON: a list of codes for each picture, and for each picture a reason or null.
    """
    reasons = [optional_reason_json(one.verdict.undecided) for one in inspections]
    if not any(reasons) and not any(one.warnings for one in inspections):
        return {}
    return {
        "warnings": orjson.dumps([one.warnings for one in inspections]).decode(),
        "undecided": orjson.dumps(reasons).decode(),
    }


def _anomaly_maps(inspections: Sequence[Inspection]) -> Values:
    """float32 [N,h,w]."""
    maps = [found.anomaly_map for found in inspections if found.anomaly_map is not None]
    shapes = {one.shape for one in maps}
    if len(shapes) > 1:
        sizes = ", ".join(f"{width} × {height}" for height, width in sorted(shapes))
        raise InvalidParameterError(
            f"the maps of these pictures are of different sizes, {sizes}, and are no one tensor; "
            "send pictures of one size in a request"
        )
    return np.stack(maps).astype(np.float32, copy=False)


def _thresholds(thresholds: Sequence[float]) -> Values:
    """float32 [N]; one that nothing is to reach may be beyond it, and JSON has no infinity."""
    limits = np.finfo(np.float32)
    return np.clip(thresholds, limits.min, limits.max).astype(np.float32)


def _heatmaps(inspections: Sequence[Inspection]) -> Values:
    return [found.heatmap.data for found in inspections if found.heatmap is not None]


_VALUES: dict[str, Callable[[Sequence[Inspection]], Values]] = {
    SCORE.name: lambda found: np.array([one.verdict.score for one in found], np.float32),
    THRESHOLD.name: lambda found: _thresholds([one.verdict.threshold for one in found]),
    ANOMALOUS.name: lambda found: np.array([one.verdict.anomalous for one in found], np.bool_),
    REGIONS.name: lambda found: [orjson.dumps(regions_json(one.verdict.regions)) for one in found],
    ANOMALY_MAP.name: _anomaly_maps,
    HEATMAP.name: _heatmaps,
}
