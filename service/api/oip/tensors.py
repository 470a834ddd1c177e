"""The tensors of the Open Inference Protocol, and their forms in JSON and in binary."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from service.domain import Json
from service.errors import RequestError

Datatype = Literal["BYTES", "UINT8", "FP32", "BOOL"]
Values = NDArray[np.float32] | NDArray[np.bool_] | list[bytes]

_LENGTH = struct.Struct("<I")
"""Length of an element of BYTES, which stands before it in binary data."""

_SLICE = 1 << 16
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


def split_elements(data: memoryview, count: int) -> list[bytes]:
    """The elements of a binary BYTES tensor.

    >>> split_elements(memoryview((2).to_bytes(4, "little") + b"ab"), 1)
    [b'ab']

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


def strings_of(data: Any, name: str) -> list[str]:
    """The elements of a BYTES tensor in JSON, some of which may stand in lists of their own.

    Args:
        data: the tensor's `data`.
        name: the tensor's name.

    Raises:
        RequestError: `data` holds something else than strings.
    """
    rows: list[Any] = data if isinstance(data, list) else [None]
    texts = [one for row in rows for one in (row if isinstance(row, list) else [row])]
    if not all(isinstance(one, str) for one in texts):
        raise RequestError(
            f"`data` of {name} must be a list of strings, the pictures in base64; or send them "
            "as binary data"
        )
    return texts


def from_base64(text: str | bytes, name: str) -> bytes:
    """The bytes that a text in base64 stands for.

    Raises:
        RequestError: the text is no base64 without line ends.
    """
    step = 4 * _SLICE
    try:
        return b"".join(
            binascii.a2b_base64(text[at : at + step], strict_mode=True)
            for at in range(0, len(text), step)
        )
    except ValueError:
        raise RequestError(
            f"an element of {name} is no base64, without line ends and without a data: prefix; "
            "bytes as they are can be sent as binary data"
        ) from None


def numbers_of(data: Any, name: str) -> bytes:
    """The numbers of a UINT8 tensor in JSON, in one list or in nested ones.

    >>> list(numbers_of([[[1, 2], [3, 255]]], "pixels"))
    [1, 2, 3, 255]

    Raises:
        RequestError: `data` holds something else than whole numbers of 0 to 255.
    """
    numbers: list[Any] = data if isinstance(data, list) else [None]
    while (kinds := set(map(type, numbers))) == {list}:
        numbers = list(chain.from_iterable(numbers))
    try:
        if kinds == {int}:
            return bytes(numbers)
    except ValueError:
        pass
    raise RequestError(f"`data` of {name} must be a list of whole numbers of 0 to 255")


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
    """All values in one flat list, written in slices."""
    flat = np.ascontiguousarray(values).ravel()
    slices = (flat[at : at + _SLICE] for at in range(0, len(flat), _SLICE))
    texts = [orjson.dumps(part, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] for part in slices]
    return orjson.Fragment(b"[" + b",".join(texts) + b"]")
