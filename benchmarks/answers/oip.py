"""Asking by the Open Inference Protocol, with binary tensors both ways."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from benchmarks.answers.answer import Answer, answer_of, refusal_of
from benchmarks.answers.http import client
from benchmarks.answers.modes import Mode
from benchmarks.answers.pictures import Picture

TOGETHER = 4
"""Pictures of a request, where they need not be of one size."""

AT_ONCE = 2
LENGTH = struct.Struct("<I")
JSON_LENGTH = "Inference-Header-Content-Length"
VERDICT = ("score", "threshold", "anomalous", "regions")
DTYPES = {"FP32": "<f4", "BOOL": "?"}

Values = NDArray[Any] | list[bytes]


async def ask(url: str, model: str, mode: Mode, pictures: Sequence[Picture]) -> list[Answer]:
    """Post the pictures, some to a request; the answers in the order of the pictures."""
    count = 1 if mode.pixels or mode.heatmap == "raw" else TOGETHER
    groups = [pictures[at : at + count] for at in range(0, len(pictures), count)]
    turns = asyncio.Semaphore(AT_ONCE)
    async with client(url) as http:

        async def post(group: Sequence[Picture]) -> list[Answer]:
            async with turns:
                body, json_length = _request(mode, group)
                response = await http.post(
                    f"/v2/models/{model}/infer",
                    content=body,
                    headers={JSON_LENGTH: str(json_length)},
                )
                return await asyncio.to_thread(_read, response, len(group))

        found = await asyncio.gather(*map(post, groups))
    return [answer for group in found for answer in group]


def _request(mode: Mode, group: Sequence[Picture]) -> tuple[bytes, int]:
    """A body, and how much of it is JSON."""
    tensor, data = _pixels(group[0]) if mode.pixels else _files(group)
    parameters: dict[str, Any] = {"binary_data_output": True}
    outputs = list(VERDICT)
    if mode.heatmap == "raw":
        outputs.append("anomaly_map")
    elif mode.heatmap != "none":
        outputs.append("heatmap")
        parameters |= {"heatmap": mode.heatmap, "format": mode.format}
    tensor["parameters"] = {"binary_data_size": len(data)}
    named = [{"name": name} for name in outputs]
    head = json.dumps({"parameters": parameters, "inputs": [tensor], "outputs": named}).encode()
    return head + data, len(head)


def _files(group: Sequence[Picture]) -> tuple[dict[str, Any], bytes]:
    data = b"".join(LENGTH.pack(len(picture.data)) + picture.data for picture in group)
    return {"name": "image", "shape": [len(group)], "datatype": "BYTES"}, data


def _pixels(picture: Picture) -> tuple[dict[str, Any], bytes]:
    rgb = picture.pixels()[np.newaxis, :, :, ::-1]
    return {"name": "pixels", "shape": list(rgb.shape), "datatype": "UINT8"}, rgb.tobytes()


def _read(response: httpx.Response, count: int) -> list[Answer]:
    if response.is_error:
        return [refusal_of(response.json())] * count
    json_length = int(response.headers[JSON_LENGTH])
    head = json.loads(response.content[:json_length])
    tensors = _tensors(head["outputs"], response.content[json_length:])
    model = {name: head[name] for name in ("model_name", "model_version")}
    return [_answer(model, tensors, index) for index in range(count)]


def _answer(model: Mapping[str, str], tensors: Mapping[str, Values], index: int) -> Answer:
    fields = {
        **model,
        "score": float(tensors["score"][index]),
        "threshold": float(tensors["threshold"][index]),
        "anomalous": bool(tensors["anomalous"][index]),
        "regions": json.loads(tensors["regions"][index]),
    }
    drawn = tensors.get("heatmap", tensors.get("anomaly_map"))
    return answer_of(fields, None if drawn is None else drawn[index])


def _tensors(outputs: Sequence[Mapping[str, Any]], data: bytes) -> dict[str, Values]:
    tensors, at = {}, 0
    for output in outputs:
        end = at + output["parameters"]["binary_data_size"]
        tensors[output["name"]] = _values(output, data[at:end])
        at = end
    return tensors


def _values(output: Mapping[str, Any], data: bytes) -> Values:
    if output["datatype"] != "BYTES":
        return np.frombuffer(data, DTYPES[output["datatype"]]).reshape(output["shape"])
    elements, at = [], 0
    while at < len(data):
        (length,) = LENGTH.unpack_from(data, at)
        elements.append(data[at + LENGTH.size : at + LENGTH.size + length])
        at += LENGTH.size + length
    return elements
