"""An inference request of the Open Inference Protocol: its pictures, options and outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.api.oip.tensors import (
    ANOMALY_MAP,
    DEFAULT_OUTPUTS,
    HEATMAP,
    IMAGE,
    INPUTS,
    OUTPUTS,
    PIXELS,
    TensorSpec,
    from_base64,
    numbers_of,
    split_elements,
    strings_of,
)
from service.batching.admission import room_for
from service.domain import ImageFormat, InspectOptions, Priority, RawPicture
from service.errors import (
    ImageTooLargeError,
    InvalidImageError,
    InvalidParameterError,
    RequestError,
    validation_message,
)
from service.pictures.prepare import Picture

MAX_PICTURES = 64
"""Most pictures of one request; more would keep other callers waiting."""

MAX_JSON_BYTES = 8 * 1024 * 1024
"""Longest JSON of a request. A parser reads it in one go, in which no other thread has a turn: a
picture in base64 of that length takes about 10 ms."""

MAX_VALUES = 300_000
"""Most commas and brackets of that JSON, for the same reason: a picture of 256 × 256 RGB pixels,
as nested lists, has 262,000 and takes about 6 ms."""

_PRIORITIES: dict[str | int, Priority] = {"line": "line", "bulk": "bulk", 1: "line", 2: "bulk"}
"""Triton's priorities are numbers, of which 1 is the highest."""

_SEND_BINARY = (
    "send the tensor as binary data after the JSON: the tensor's binary_data_size gives the length "
    "of the data, the header Inference-Header-Content-Length that of the JSON"
)

_Word = Annotated[str, Field(max_length=64)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _InputParameters(_Part):
    binary_data_size: int | None = Field(default=None, ge=0)
    content_type: Literal["base64"] | None = None


class _Input(_Part):
    name: _Word
    shape: list[int] = Field(max_length=8)
    datatype: _Word
    parameters: _InputParameters | None = None
    data: Any = None


class _OutputParameters(_Part):
    binary_data: bool | None = None


class _Output(_Part):
    name: _Word
    parameters: _OutputParameters | None = None


class _Parameters(_Part):
    threshold: float | None = None
    pixel_threshold: float | None = None
    heatmap: Literal["map", "overlay"] | None = None
    format: ImageFormat | None = None
    timeout_ms: float | None = Field(default=None, gt=0, le=3_600_000)
    timeout: int | None = Field(default=None, gt=0, le=3_600_000_000)
    priority: Literal["line", "bulk", 1, 2] = "line"
    binary_data_output: bool = False


class _Body(_Part):
    id: str | None = Field(default=None, max_length=1024)
    # Some clients repeat here what the path says.
    model_name: str | None = None
    model_version: str | None = None
    parameters: _Parameters | None = None
    inputs: list[_Input]
    outputs: list[_Output] | None = None


@dataclass(frozen=True, slots=True)
class OipLimits:
    """Bounds of a request, and its timeout where it names none.

    Attributes:
        max_image_pixels: most pixels of each picture.
        max_queue_size: most pictures of a model that may wait.
        timeout_ms: timeout of a request that names none.
    """

    max_image_pixels: int
    max_queue_size: int
    timeout_ms: float

    def most_pictures(self, priority: Priority) -> int:
        """Most pictures of one request: all of them must find room in the queue."""
        return min(MAX_PICTURES, room_for(priority, self.max_queue_size))


@dataclass(frozen=True, slots=True)
class WantedOutput:
    """An output that the request names.

    Attributes:
        spec: the tensor.
        binary: whether its data follows the JSON.
    """

    spec: TensorSpec
    binary: bool


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """A request that is read and checked.

    Attributes:
        id: the caller's; the response repeats it.
        pictures: one or more.
        options: how each picture is inspected.
        outputs: the wanted outputs, in the order of the response.
    """

    id: str | None
    pictures: Sequence[Picture]
    options: InspectOptions
    outputs: Sequence[WantedOutput]


def read_request(body: bytes, json_bytes: int | None, limits: OipLimits) -> InferenceRequest:
    """Read a request.

    Args:
        body: JSON, then the binary data of its tensors.
        json_bytes: length of the JSON; None where the whole body is JSON.
        limits: bounds of the request.

    Raises:
        RequestError: the request is malformed, too large, or names what does not exist.
    """
    if json_bytes is not None and json_bytes > len(body):
        raise RequestError(
            f"Inference-Header-Content-Length says {json_bytes} bytes of JSON, the body has "
            f"{len(body)}; it is cut short, or the header is wrong"
        )
    text = body if json_bytes is None else body[:json_bytes]
    parsed = _parse(text)
    tensor = _only_input(parsed.inputs)
    parameters = parsed.parameters or _Parameters()
    outputs = _outputs(parsed.outputs or [], parameters)
    data = _binary_data(tensor, memoryview(body)[len(text) :], json_bytes is not None)
    most = limits.most_pictures(_PRIORITIES[parameters.priority])
    if tensor.name == IMAGE.name:
        pictures: Sequence[Picture] = _encoded(tensor, data, most)
    else:
        pictures = _raw(tensor, data, most, limits.max_image_pixels)
    return InferenceRequest(parsed.id, pictures, _options(parameters, outputs, limits), outputs)


def _parse(text: bytes) -> _Body:
    if len(text) > MAX_JSON_BYTES:
        raise ImageTooLargeError(
            f"the JSON has {len(text)} bytes, {MAX_JSON_BYTES} are allowed; {_SEND_BINARY}"
        )
    if sum(text.count(sign) for sign in (b",", b"[", b"{")) > MAX_VALUES:
        raise RequestError(f"the JSON has more than {MAX_VALUES} values; {_SEND_BINARY}")
    try:
        return _Body.model_validate(orjson.loads(text))
    except orjson.JSONDecodeError as error:
        raise RequestError(
            f"the body is no JSON: {error}; where binary data follows it, "
            "Inference-Header-Content-Length must say how long the JSON is"
        ) from None
    except ValidationError as error:
        raise InvalidParameterError(validation_message(error, "the body")) from None


def _only_input(inputs: Sequence[_Input]) -> _Input:
    """The one input, with a known name and the datatype that belongs to it."""
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


def _binary_data(tensor: _Input, rest: memoryview, has_header: bool) -> memoryview | None:
    """The input's bytes after the JSON; None where its data is in the JSON."""
    size = tensor.parameters.binary_data_size if tensor.parameters else None
    if size is None:
        if len(rest):
            raise RequestError(
                f"{len(rest)} bytes follow the JSON, of which {tensor.name} claims none; give it "
                "the parameter binary_data_size"
            )
        return None
    if tensor.data is not None:
        raise RequestError(f"{tensor.name} has both data and binary_data_size; send one")
    if not has_header:
        raise RequestError(
            "binary data needs the header Inference-Header-Content-Length, the length of the JSON"
        )
    if size != len(rest):
        raise RequestError(
            f"binary_data_size of {tensor.name} is {size}, but {len(rest)} bytes follow the JSON"
        )
    return rest


def _encoded(tensor: _Input, data: memoryview | None, most: int) -> list[Picture]:
    """Encoded pictures, [N] or [N,1]."""
    if len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ([], [1]):
        raise InvalidParameterError(f"the shape of image is [N] or [N,1], not {tensor.shape}")
    count = _count(tensor, most)
    if data is not None:
        elements = split_elements(data, count)
        in_base64 = tensor.parameters is not None and tensor.parameters.content_type is not None
        return [from_base64(one, IMAGE.name) if in_base64 else one for one in elements]
    texts = strings_of(tensor.data, IMAGE.name)
    if len(texts) != count:
        raise RequestError(f"the shape of image says {count} elements, `data` has {len(texts)}")
    return [from_base64(text, IMAGE.name) for text in texts]


def _raw(tensor: _Input, data: memoryview | None, most: int, max_pixels: int) -> list[Picture]:
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
        data = memoryview(numbers_of(tensor.data, PIXELS.name))
    if len(data) != math.prod(shape):
        raise InvalidImageError(
            f"pixels of shape {shape} are {math.prod(shape)} values, {len(data)} came"
        )
    size = len(data) // count
    kind: Literal["rgb8", "mono8"] = "rgb8" if shape[3:] == [3] else "mono8"
    return [
        RawPicture(data[at : at + size], width, height, kind) for at in range(0, len(data), size)
    ]


def _count(tensor: _Input, most: int) -> int:
    count = tensor.shape[0]
    if not 1 <= count <= most:
        raise InvalidParameterError(
            f"{tensor.name} has {count} pictures; send 1 to {most} in one request of this priority"
        )
    return count


def _outputs(named: Sequence[_Output], parameters: _Parameters) -> list[WantedOutput]:
    binary = parameters.binary_data_output
    specs = {spec.name: spec for spec in OUTPUTS}
    wanted = {}
    for output in named:
        if output.name not in specs or output.name in wanted:
            raise InvalidParameterError(
                f"the output {output.name!r} is asked for twice or does not exist; there are "
                f"{', '.join(specs)}"
            )
        own = output.parameters.binary_data if output.parameters else None
        wanted[output.name] = WantedOutput(specs[output.name], binary if own is None else own)
    drawn = parameters.heatmap is not None or parameters.format is not None
    if drawn and HEATMAP.name not in wanted:
        raise InvalidParameterError(
            "the parameters heatmap and format are of the output heatmap; name it in outputs"
        )
    return list(wanted.values()) or [WantedOutput(spec, binary) for spec in DEFAULT_OUTPUTS]


def _options(
    parameters: _Parameters, outputs: Sequence[WantedOutput], limits: OipLimits
) -> InspectOptions:
    if parameters.timeout is not None and parameters.timeout_ms is not None:
        raise InvalidParameterError(
            "timeout (in microseconds) and timeout_ms are the same; send one of them"
        )
    timeout_ms = parameters.timeout_ms or limits.timeout_ms
    if parameters.timeout is not None:
        timeout_ms = parameters.timeout / 1000
    names = {wanted.spec.name for wanted in outputs}
    return InspectOptions(
        heatmap=(parameters.heatmap or "overlay") if HEATMAP.name in names else "none",
        format=parameters.format or "jpeg",
        threshold=parameters.threshold,
        pixel_threshold=parameters.pixel_threshold,
        timeout_s=timeout_ms / 1000,
        priority=_PRIORITIES[parameters.priority],
        with_map=ANOMALY_MAP.name in names,
    )
