"""Inference requests by gRPC, and what broken clients make of them."""

from __future__ import annotations

import random
from typing import Any

from tritonclient.grpc.service_pb2 import ModelInferRequest

from tests.hostile.pictures import mutant, originals

_NUMBERS = (-(2**63), -1, 0, 1, 2, 3, 4, 64, 65, 2**31, 2**63 - 1)
_TEXTS = (
    "",
    "image",
    "pixels",
    "BYTES",
    "UINT8",
    "score",
    "heatmap",
    "line",
    "x" * 65,
    "\x00",
    "💥",
)
_NAMES = (
    "threshold",
    "timeout",
    "timeout_ms",
    "priority",
    "heatmap",
    "format",
    "content_type",
    "?",
)


def broken_message(rng: random.Random) -> bytes:
    """A good request, of which some things were exchanged, and perhaps some bytes as well."""
    picture = rng.choice(list(originals().values()))
    image = {"name": "image", "datatype": "BYTES", "shape": [1]}
    pixels = {"name": "pixels", "datatype": "UINT8", "shape": [1, 2, 2, 3]}
    message, content = rng.choice(
        [
            (ModelInferRequest(inputs=[image]), _element(picture)),
            (ModelInferRequest(inputs=[image]), _element(mutant(rng).data)),
            (ModelInferRequest(inputs=[pixels]), bytes(12)),
        ]
    )
    message.model_name = "parts"
    if rng.random() < 0.7:
        message.raw_input_contents.append(content)
    for _ in range(rng.randrange(4)):
        rng.choice(_CHANGES)(rng, message)
    data = bytearray(message.SerializeToString())
    for _ in range(rng.choice((0, 0, 1, 3))):
        # The beginning is where lengths and names are.
        data[rng.randrange(min(len(data), rng.choice((60, 10**9))))] = rng.randrange(256)
    if rng.random() < 0.1:
        del data[rng.randrange(len(data)) :]
    return bytes(data)


def _element(picture: bytes) -> bytes:
    return len(picture).to_bytes(4, "little") + picture


def _parameter(rng: random.Random, parameters: Any) -> None:
    parameter = parameters[rng.choice(_NAMES)]
    match rng.randrange(5):
        case 0:
            parameter.bool_param = True
        case 1:
            parameter.int64_param = rng.choice(_NUMBERS)
        case 2:
            parameter.string_param = rng.choice(_TEXTS)
        case 3:
            parameter.double_param = rng.choice((float("nan"), float("inf"), -1e308, 0.5))
        case 4:
            parameter.ClearField("int64_param")


def _tensor(rng: random.Random, message: Any) -> None:
    tensor = rng.choice([*message.inputs, message.inputs.add()])
    match rng.randrange(6):
        case 0:
            tensor.name = rng.choice(_TEXTS)
        case 1:
            tensor.datatype = rng.choice(_TEXTS)
        case 2:
            tensor.shape[:] = [rng.choice(_NUMBERS) for _ in range(rng.randrange(10))]
        case 3:
            tensor.contents.bytes_contents.append(rng.randbytes(20))
        case 4:
            tensor.contents.uint_contents.extend([rng.choice((0, 255, 256, 2**32 - 1))] * 12)
        case 5:
            _parameter(rng, tensor.parameters)


def _output(rng: random.Random, message: Any) -> None:
    _parameter(rng, message.outputs.add(name=rng.choice(_TEXTS)).parameters)


_CHANGES = (
    _tensor,
    _output,
    lambda rng, message: _parameter(rng, message.parameters),
    lambda rng, message: message.raw_input_contents.append(rng.randbytes(8)),
    lambda rng, message: message.inputs.pop() if message.inputs else None,
    lambda rng, message: setattr(message, "id", rng.choice(_TEXTS) * 100),
)
