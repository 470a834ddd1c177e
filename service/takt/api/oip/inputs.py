"""The input of an inference request: its tensor, however it is written, read as pictures."""

from __future__ import annotations

import binascii
import math
from collections.abc import Sequence
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from takt.api.given import BodyIn
from takt.core.domain import RawPicture
from takt.core.errors import (
    ImageTooLargeError,
    InvalidImageError,
    InvalidParameterError,
    RequestError,
)
from takt.core.pictures.prepare import Picture
from takt.core.tensors.protocol import IMAGE, INPUTS, LENGTH, PIXELS, SLICE

Word = Annotated[str, Field(max_length=64)]

Data = memoryview | list[bytes]
"""What a tensor holds: its bytes, or the elements of one of BYTES."""


class InputParametersIn(BodyIn):
    """How the data of an input is written."""

    binary_data_size: int | None = Field(default=None, ge=0)
    content_type: Literal["base64"] | None = None


_ENCODED: dict[str, Any] = {"datatype": {"const": IMAGE.datatype}, "shape": {"maxItems": 2}}
_RAW: dict[str, Any] = {"datatype": {"const": PIXELS.datatype}, "shape": {"minItems": 3}}


class InputTensor(BodyIn):
    """An input as the JSON has it."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"name": {"const": IMAGE.name}}},
            "then": {"properties": _ENCODED},
            "else": {"properties": _RAW},
        }
    )

    name: Word = Field(json_schema_extra={"enum": [spec.name for spec in INPUTS]})
    shape: list[int] = Field(
        max_length=8,
        description="[N] or [N,1] of `image`; [N,H,W,3], [N,H,W,1] or [N,H,W] of `pixels`.",
        json_schema_extra={
            "minItems": 1,
            "maxItems": 4,
            "items": {"type": "integer", "minimum": 1},
        },
    )
    datatype: Word = Field(json_schema_extra={"enum": [spec.datatype for spec in INPUTS]})
    parameters: InputParametersIn | None = None
    data: Any = Field(
        default=None,
        description="Files in base64 of `image`, whole numbers of 0 to 255 of `pixels`; none "
        "where the data follows the JSON.",
        json_schema_extra={"anyOf": [{"type": "array", "items": {}}, {"type": "null"}]},
    )


def only_input(inputs: Sequence[InputTensor]) -> InputTensor:
    """The one input of a request.

    Raises:
        InvalidParameterError: there are more or fewer, or its name or datatype is not served.
    """
    specs = {spec.name: spec for spec in INPUTS}
    names = ", ".join(tensor.name for tensor in inputs) or "none"
    if len(inputs) != 1 or inputs[0].name not in specs:
        raise InvalidParameterError(f"the inputs are {names}; send one, {' or '.join(specs)}")
    (tensor,) = inputs
    if tensor.datatype != (wanted := specs[tensor.name].datatype):
        raise InvalidParameterError(
            f"the datatype of {tensor.name} is {wanted}, not {tensor.datatype!r}"
        )
    return tensor


def pictures_of(
    tensor: InputTensor, data: Data | None, most: int, max_pixels: int
) -> Sequence[Picture]:
    """The pictures of an input.

    Args:
        tensor: the input.
        data: what it holds; None where that is in JSON, as `tensor.data`.
        most: most pictures of the request.
        max_pixels: most pixels of a picture.

    Raises:
        RequestError: the tensor is malformed, or its pictures are too many or too large.
    """
    if tensor.name == IMAGE.name:
        return _encoded(tensor, data, most)
    assert not isinstance(data, list)
    return _raw(tensor, data, most, max_pixels)


def binary_data(tensor: InputTensor, rest: memoryview | None) -> memoryview | None:
    """The input's bytes after the JSON; None where its data is in the JSON.

    Args:
        tensor: the input.
        rest: what follows the JSON; None where the request says no length of the JSON.

    Raises:
        RequestError: the request contradicts itself.
    """
    size = tensor.parameters.binary_data_size if tensor.parameters else None
    if size is None:
        if rest:
            raise RequestError(
                f"{len(rest)} bytes follow the JSON, of which {tensor.name} claims none; give it "
                "the parameter binary_data_size"
            )
        return None
    if tensor.data is not None:
        raise RequestError(f"{tensor.name} has both data and binary_data_size; send one")
    if rest is None:
        raise RequestError(
            "binary data needs the header Inference-Header-Content-Length, the length of the JSON"
        )
    if size != len(rest):
        raise RequestError(
            f"binary_data_size of {tensor.name} is {size}, but {len(rest)} bytes follow the JSON"
        )
    return rest


def _encoded(tensor: InputTensor, data: Data | None, most: int) -> list[Picture]:
    """Encoded pictures, [N] or [N,1]."""
    if len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ([], [1]):
        raise InvalidParameterError(f"the shape of image is [N] or [N,1], not {tensor.shape}")
    count = _count(tensor, most)
    if data is None:
        texts = _strings_of(tensor.data, IMAGE.name)
        if len(texts) != count:
            raise RequestError(f"the shape of image says {count} elements, `data` has {len(texts)}")
        return [_from_base64(text, IMAGE.name) for text in texts]
    elements = data if isinstance(data, list) else _split_elements(data, count)
    if len(elements) != count:
        raise RequestError(f"the shape of image says {count} elements, there are {len(elements)}")
    in_base64 = tensor.parameters is not None and tensor.parameters.content_type is not None
    return [_from_base64(one, IMAGE.name) if in_base64 else one for one in elements]


def _raw(tensor: InputTensor, data: memoryview | None, most: int, max_pixels: int) -> list[Picture]:
    """Raw pictures, [N,H,W,3], [N,H,W,1] or [N,H,W]."""
    shape = tensor.shape
    if tensor.parameters is not None and tensor.parameters.content_type is not None:
        raise InvalidParameterError("pixels are numbers; only image may be of content_type base64")
    if len(shape) not in (3, 4) or shape[3:] not in ([], [1], [3]) or min(shape) < 1:
        raise InvalidParameterError(
            f"the shape of pixels is [N,H,W,3] in RGB, or [N,H,W,1] or [N,H,W] in grey, not {shape}"
        )
    count = _count(tensor, most)
    height, width = shape[1:3]
    # Before the bytes are counted: a shape may claim anything.
    if height * width > max_pixels:
        raise ImageTooLargeError(
            f"pictures of {width} × {height} pixels are more than the {max_pixels} of the setting "
            "max_image_pixels; send smaller ones or raise the setting"
        )
    if data is None:
        data = memoryview(_numbers_of(tensor.data, PIXELS.name))
    if len(data) != math.prod(shape):
        raise InvalidImageError(
            f"pixels of shape {shape} are {math.prod(shape)} values, {len(data)} came"
        )
    size = len(data) // count
    kind: Literal["rgb8", "mono8"] = "rgb8" if shape[3:] == [3] else "mono8"
    return [
        RawPicture(data[at : at + size], width, height, kind) for at in range(0, len(data), size)
    ]


def _count(tensor: InputTensor, most: int) -> int:
    count = tensor.shape[0]
    if not 1 <= count <= most:
        raise InvalidParameterError(
            f"{tensor.name} has {count} pictures; send 1 to {most} in one request of this priority"
        )
    return count


def _split_elements(data: memoryview, count: int) -> list[bytes]:
    """The elements of a binary BYTES tensor.

    >>> _split_elements(memoryview((2).to_bytes(4, "little") + b"ab"), 1)
    [b'ab']

    Raises:
        RequestError: the data has fewer or more than `count` elements.
    """
    elements, at = [], 0
    for index in range(count):
        if len(data) - at < LENGTH.size:
            raise RequestError(
                f"the binary data ends before element {index} of {count}; put a length of four "
                "bytes, little-endian, before each"
            )
        (length,) = LENGTH.unpack_from(data, at)
        at += LENGTH.size
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


def _strings_of(data: Any, name: str) -> list[str]:
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


def _from_base64(text: str | bytes, name: str) -> bytes:
    """The bytes that a text in base64 stands for.

    Raises:
        RequestError: the text is no base64 without line ends.
    """
    step = 4 * SLICE
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


def _numbers_of(data: Any, name: str) -> bytes:
    """The numbers of a UINT8 tensor in JSON, in one list or in nested ones.

    >>> list(_numbers_of([[[1, 2], [3, 255]]], "pixels"))
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
