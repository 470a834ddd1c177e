"""The tensors of the Open Inference Protocol, and their forms in JSON and in binary."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from takt.core.domain import Json

Datatype = Literal["BYTES", "UINT8", "FP32", "BOOL"]
Values = NDArray[np.float32] | NDArray[np.bool_] | list[bytes]

LENGTH = struct.Struct("<I")
"""Length of an element of BYTES, which stands before it in binary data."""

SLICE = 1 << 16
"""Numbers, or groups of base64, that are converted in one go, so that other threads have a turn."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, datatype and shape of a tensor; the shape has -1 where a length varies.

    >>> IMAGE
    TensorSpec(name='image', datatype='BYTES', shape=(-1,))
    """

    name: str
    datatype: Datatype
    shape: tuple[int, ...]


IMAGE = TensorSpec("image", "BYTES", (-1,))
PIXELS = TensorSpec("pixels", "UINT8", (-1, -1, -1, -1))
INPUTS = (IMAGE, PIXELS)

SCORE = TensorSpec("score", "FP32", (-1,))
THRESHOLD = TensorSpec("threshold", "FP32", (-1,))
ANOMALOUS = TensorSpec("anomalous", "BOOL", (-1,))
REGIONS = TensorSpec("regions", "BYTES", (-1,))
ANOMALY_MAP = TensorSpec("anomaly_map", "FP32", (-1, -1, -1))
HEATMAP = TensorSpec("heatmap", "BYTES", (-1,))
OUTPUTS = (SCORE, THRESHOLD, ANOMALOUS, REGIONS, ANOMALY_MAP, HEATMAP)
DEFAULT_OUTPUTS = (SCORE, THRESHOLD, ANOMALOUS, REGIONS)


def tensor_out(
    spec: TensorSpec, shape: Sequence[int], values: Values, binary: bool
) -> tuple[Json, bytes]:
    """A tensor of a response: its JSON, and the bytes that follow the JSON.

    Args:
        spec: the tensor.
        shape: lengths of its axes, the pictures first.
        values: an array of that shape, or as many elements.
        binary: whether the data follows the JSON.
    """
    out: Json = {"name": spec.name, "shape": list(shape), "datatype": spec.datatype}
    if binary:
        data = binary_of(values)
        return out | {"parameters": {"binary_data_size": len(data)}}, data
    if spec is HEATMAP:
        assert isinstance(values, list)
        out["parameters"] = {"content_type": "base64"}
        out["data"] = [base64.b64encode(value).decode() for value in values]
    elif isinstance(values, list):
        out["data"] = [value.decode() for value in values]
    else:
        out["data"] = _json_list(values)
    return out, b""


def binary_of(values: Values) -> bytes:
    """Values as binary data."""
    if isinstance(values, list):
        return b"".join(part for value in values for part in (LENGTH.pack(len(value)), value))
    return values.tobytes()


def _json_list(values: NDArray[Any]) -> orjson.Fragment:
    """All values in one flat list, written in slices."""
    flat = np.ascontiguousarray(values).ravel()
    slices = (flat[at : at + SLICE] for at in range(0, len(flat), SLICE))
    texts = [orjson.dumps(part, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] for part in slices]
    return orjson.Fragment(b"[" + b",".join(texts) + b"]")
