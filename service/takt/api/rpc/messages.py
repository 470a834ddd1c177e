"""Messages of the Open Inference Protocol: inference requests read, their answers written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2

from takt.api.given import validated
from takt.api.oip.inputs import Data, only_input
from takt.api.oip.request import InferenceRequest, InferIn, OipLimits, check_count, checked
from takt.api.oip.response import outputs_of, parameters_of
from takt.core.domain import Inspection, Json
from takt.core.errors import RequestError
from takt.core.tensors.protocol import IMAGE, binary_of


def parsed(kind: Any, message: bytes) -> Any:
    """A message of a kind, such as `service_pb2.ModelInferRequest`.

    Raises:
        RequestError: it is damaged.
    """
    try:
        return kind.FromString(message)
    except DecodeError:
        name = kind.DESCRIPTOR.name
        raise RequestError(f"the message is no {name}: it is cut short or damaged") from None


def request_of(message: Any, raw: Sequence[memoryview], limits: OipLimits) -> InferenceRequest:
    """The request that a message is.

    Args:
        message: a ModelInferRequest, without its `raw_input_contents`.
        raw: those.
        limits: bounds of the request.

    Raises:
        RequestError: it is malformed, too large, or names what does not exist.
    """
    for place in (message.inputs, message.outputs):
        check_count(len(place))
    fields: Json = {
        "id": message.id or None,
        "parameters": _parameters(message.parameters),
        "inputs": [
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": list(tensor.shape),
                "parameters": _parameters(tensor.parameters),
            }
            for tensor in message.inputs
        ],
        "outputs": [
            {"name": wanted.name, "parameters": _parameters(wanted.parameters)}
            for wanted in message.outputs
        ],
    }
    request = validated(InferIn, fields, "the message")
    only_input(request.inputs)
    return checked(request, _data(message.inputs[0], raw), limits)


def _parameters(given: Mapping[str, Any]) -> Json:
    check_count(len(given))
    found = ((name, value, value.WhichOneof("parameter_choice")) for name, value in given.items())
    return {name: getattr(value, kind) if kind else None for name, value, kind in found}


def _data(tensor: Any, raw: Sequence[memoryview]) -> Data:
    """What the one input holds, in whichever place it is."""
    if raw:
        if tensor.HasField("contents"):
            raise RequestError(f"{tensor.name} has both contents and raw_input_contents; send one")
        if len(raw) != 1:
            raise RequestError(f"there are {len(raw)} raw_input_contents; send one for each input")
        return raw[0]
    if tensor.name == IMAGE.name:
        return list(tensor.contents.bytes_contents)
    try:
        return memoryview(bytes(tensor.contents.uint_contents))
    except ValueError:
        raise RequestError(
            f"uint_contents of {tensor.name} must be whole numbers of 0 to 255"
        ) from None


def answer_of(request: InferenceRequest, inspections: Sequence[Inspection]) -> bytes:
    """The ModelInferResponse, with the pictures in the order of the request.

    Raises:
        InvalidParameterError: the maps of the pictures have different sizes.
    """
    answer = service_pb2.ModelInferResponse(
        model_name=inspections[0].model,
        model_version=inspections[0].version,
        id=request.id or "",
    )
    for wanted, shape, values in outputs_of(request, inspections):
        spec = wanted.spec
        answer.outputs.add(name=spec.name, datatype=spec.datatype, shape=shape)
        answer.raw_output_contents.append(binary_of(values))
    for name, told in parameters_of(inspections).items():
        answer.parameters[name].string_param = told
    written: bytes = answer.SerializeToString()
    return written
