"""An inference request of the Open Inference Protocol: its pictures, options and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import Field, WithJsonSchema

from takt.api.given import BodyIn, validated
from takt.api.oip.inputs import (
    Data,
    InputTensor,
    Word,
    binary_data,
    only_input,
    pictures_of,
)
from takt.core.batching.admission import room_for
from takt.core.domain import ImageFormat, InspectOptions, Priority
from takt.core.errors import ImageTooLargeError, InvalidParameterError, RequestError
from takt.core.pictures.prepare import Picture
from takt.core.tensors.protocol import (
    ANOMALY_MAP,
    DEFAULT_OUTPUTS,
    HEATMAP,
    OUTPUTS,
    TensorSpec,
)
from takt.settings import Settings

MAX_PICTURES = 64
"""Most pictures of one request; more would keep other callers waiting."""

MAX_JSON_BYTES = 8 * 1024 * 1024
"""Longest JSON of a request. A parser reads it in one go, in which no other thread has a turn: a
picture in base64 of that length takes about 10 ms."""

MAX_VALUES = 400_000
"""Most commas and brackets of that JSON, for the same reason: as many empty lists take about 27 ms.
A picture of 256 × 256 RGB pixels in nested lists has 262,000 and takes about 8 ms."""

MAX_PARTS = 64
"""Most inputs, outputs or parameters in one place. A checker names each that is wrong: some 100,000
of them would keep every thread waiting for a second."""

_WITH_PARTS = ("inputs", "outputs", "parameters")

# A literal of numbers would take `true` and 1.0 as 1.
PriorityNumber = Annotated[
    int, Field(ge=1, le=2), WithJsonSchema({"enum": [1, 2], "type": "integer"})
]

_PRIORITIES: dict[str | int, Priority] = {"line": "line", "bulk": "bulk", 1: "line", 2: "bulk"}
"""Triton's priorities are numbers, of which 1 is the highest."""

_SEND_BINARY = (
    "send the tensor as binary data after the JSON: the tensor's binary_data_size gives the length "
    "of the data, the header Inference-Header-Content-Length that of the JSON"
)


class OutputParametersIn(BodyIn):
    """How an output is to be written."""

    binary_data: bool | None = None


class OutputIn(BodyIn):
    """A wanted output."""

    name: Word = Field(json_schema_extra={"enum": [spec.name for spec in OUTPUTS]})
    parameters: OutputParametersIn | None = None


class InferParametersIn(BodyIn):
    """The options of a request."""

    threshold: float | None = None
    pixel_threshold: float | None = None
    heatmap: Literal["map", "overlay"] | None = None
    format: ImageFormat | None = None
    timeout_ms: float | None = Field(default=None, gt=0, le=3_600_000)
    timeout: int | None = Field(default=None, gt=0, le=3_600_000_000)
    priority: Priority | PriorityNumber = "line"
    binary_data_output: bool = False


class InferIn(BodyIn):
    """An inference request."""

    id: str | None = Field(default=None, max_length=1024)
    # Some clients repeat here what the path says.
    model_name: str | None = None
    model_version: str | None = None
    parameters: InferParametersIn | None = None
    inputs: list[InputTensor] = Field(json_schema_extra={"minItems": 1, "maxItems": 1})
    outputs: list[OutputIn] | None = None


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

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those that the settings state."""
        return cls(settings.max_image_pixels, settings.max_queue_size, settings.timeout_ms)

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

    >>> tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": ["YWJj"]}
    >>> body = orjson.dumps({"inputs": [tensor], "outputs": [{"name": "score"}]})
    >>> request = read_request(body, None, OipLimits(1_000_000, 16, timeout_ms=1000))
    >>> request.pictures, request.outputs[0].spec.name, request.options.timeout_s
    ([b'abc'], 'score', 1.0)

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
    rest = memoryview(body)[len(text) :] if json_bytes is not None else None
    return checked(parsed, binary_data(only_input(parsed.inputs), rest), limits)


def checked(parsed: InferIn, data: Data | None, limits: OipLimits) -> InferenceRequest:
    """A request that is parsed, whichever transport it came by.

    Args:
        parsed: the request.
        data: what its input holds; None where that is in JSON.
        limits: bounds of the request.

    Raises:
        RequestError: the request is malformed, too large, or names what does not exist.
    """
    tensor = only_input(parsed.inputs)
    parameters = parsed.parameters or InferParametersIn()
    outputs = _outputs(parsed.outputs or [], parameters)
    most = limits.most_pictures(_PRIORITIES[parameters.priority])
    pictures = pictures_of(tensor, data, most, limits.max_image_pixels)
    return InferenceRequest(parsed.id, pictures, _options(parameters, outputs, limits), outputs)


def _parse(text: bytes) -> InferIn:
    if len(text) > MAX_JSON_BYTES:
        raise ImageTooLargeError(
            f"the JSON has {len(text)} bytes, {MAX_JSON_BYTES} are allowed; {_SEND_BINARY}"
        )
    if sum(text.count(sign) for sign in (b",", b"[", b"{")) > MAX_VALUES:
        raise RequestError(f"the JSON has more than {MAX_VALUES} values; {_SEND_BINARY}")
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RequestError(
            f"the body is no JSON: {error}; where binary data follows it, "
            "Inference-Header-Content-Length must say how long the JSON is"
        ) from None
    _check_parts(found)
    return validated(InferIn, found, "the body")


def _check_parts(found: Any) -> None:
    """Refuse more parts in one place than anybody sends."""
    places = [found]
    while places:
        place = places.pop()
        if not isinstance(place, dict | list):
            continue
        check_count(len(place))
        if isinstance(place, list):
            places += place
        else:
            places += [place[name] for name in _WITH_PARTS if name in place]


def check_count(parts: int) -> None:
    """Refuse so many parts in one place, if they are too many.

    Raises:
        InvalidParameterError: they are.
    """
    if parts > MAX_PARTS:
        raise InvalidParameterError(
            f"{parts} parts in one place are too many; {MAX_PARTS} are allowed"
        )


def _outputs(named: Sequence[OutputIn], parameters: InferParametersIn) -> list[WantedOutput]:
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
    parameters: InferParametersIn, outputs: Sequence[WantedOutput], limits: OipLimits
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
