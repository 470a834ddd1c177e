"""The tensors of the Open Inference Protocol: which there are, and how they stand in a message."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from service.api.oip.long_data import Taken
from service.domain import Json
from service.errors import RequestError

Datatype = Literal["BYTES", "UINT8", "FP32", "BOOL"]
Values = NDArray[np.float32] | NDArray[np.bool_] | list[bytes]

_LENGTH = struct.Struct("<I")
"""Before each element of BYTES, where it is binary."""

_SLICE = 1 << 16
"""Numbers, or groups of base64, that are converted in one go: no thread waits long for its turn."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor as a model's metadata has it.

    Attributes:
        name: of it.
        datatype: the protocol's word.
        shape: -1 where it varies.
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


def split_elements(data: memoryview, count: int) -> list[bytes]:
    """The elements of a binary BYTES tensor, each after its length.

    Raises:
        RequestError: the data has fewer or more than `count` elements.
    """
    elements, at = [], 0
    for index in range(count):
        if len(data) - at < _LENGTH.size:
            raise RequestError(
                f"the binary data ends before element {index} of {count}; put a length of four "
                "bytes, little-endian, before each"
            )
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if length > len(data) - at:
            raise RequestError(
                f"element {index} is to have {length} bytes, but {len(data) - at} are left; put a "
                "length of four bytes, little-endian, before each"
            )
        elements.append(bytes(data[at : at + length]))
        at += length
    if at != len(data):
        raise RequestError(
            f"{len(data) - at} bytes follow the last of {count} elements; the shape says how many "
            "there are"
        )
    return elements


def strings_of(data: Any, taken: Taken, name: str) -> list[str | memoryview]:
    """The elements of a BYTES tensor in JSON, of which rows may be lists.

    Args:
        data: strings, or the indices of those that were taken out.
        taken: has these.
        name: of the tensor.

    Raises:
        RequestError: it has something else.
    """
    rows = data if isinstance(data, list) else [None]
    flat = [one for row in rows for one in (row if isinstance(row, list) else [row])]
    texts: list[str | memoryview] = []
    for one in flat:
        if isinstance(one, str):
            texts.append(one)
        elif type(one) is int and 0 <= one < len(taken.texts):
            texts.append(taken.texts[one])
    if len(texts) != len(flat):
        raise RequestError(
            f"`data` of {name} must be a list of strings, the pictures in base64; or send them "
            "as binary data"
        )
    return texts


def from_base64(text: str | bytes | memoryview, name: str) -> bytes:
    """Bytes that stood as text.

    Raises:
        RequestError: it is no base64, without line ends.
    """
    step = 4 * _SLICE
    try:
        encoded = text.encode("ascii") if isinstance(text, str) else text
        return b"".join(
            binascii.a2b_base64(encoded[at : at + step], strict_mode=True)
            for at in range(0, len(encoded), step)
        )
    except (UnicodeEncodeError, binascii.Error):
        raise RequestError(
            f"an element of {name} is no base64, without line ends and without a data: prefix; "
            "bytes as they are can be sent as binary data"
        ) from None


def numbers_of(data: Any, taken: Taken, name: str) -> memoryview:
    """The numbers of a tensor in JSON.

    Args:
        data: the index of those that were taken out.
        taken: has them.
        name: of the tensor.

    Raises:
        RequestError: they are none of 0 … 255.
    """
    if type(data) is not int or not 0 <= data < len(taken.arrays):
        raise RequestError(f"`data` of {name} must be a list of whole numbers of 0 to 255")
    return taken.arrays[data].data


def tensor_out(
    spec: TensorSpec, shape: Sequence[int], values: Values, binary: bool
) -> tuple[Json, bytes]:
    """A tensor of an answer.

    Args:
        spec: says what it is.
        shape: of the values, the pictures first.
        values: an array of that shape, or as many elements.
        binary: whether they follow the JSON.

    Returns:
        The tensor in JSON, and what follows.
    """
    out: Json = {"name": spec.name, "shape": list(shape), "datatype": spec.datatype}
    if binary:
        data = _binary(values)
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


def _binary(values: Values) -> bytes:
    if isinstance(values, list):
        return b"".join(part for value in values for part in (_LENGTH.pack(len(value)), value))
    return values.tobytes()


def _json_list(values: NDArray[Any]) -> orjson.Fragment:
    """All values in one flat list, written a slice at a time."""
    flat = np.ascontiguousarray(values).ravel()
    slices = (flat[at : at + _SLICE] for at in range(0, len(flat), _SLICE))
    texts = [orjson.dumps(part, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] for part in slices]
    return orjson.Fragment(b"[" + b",".join(texts) + b"]")
