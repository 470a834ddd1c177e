"""Requests of the Open Inference Protocol, and what is read of its answers."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from typing import Any

import cv2
import httpx
import numpy as np

REST = "/v1/models/parts/inspect"

MODEL = "/v2/models/parts"

INFER = f"{MODEL}/infer"

EVERY_OUTPUT = ("score", "threshold", "anomalous", "regions", "anomaly_map", "heatmap")


def in_json(pictures: Sequence[bytes], **request: Any) -> dict[str, Any]:
    """A request whose pictures are in base64."""
    data = [base64.b64encode(picture).decode() for picture in pictures]
    image = {"name": "image", "shape": [len(pictures)], "datatype": "BYTES", "data": data}
    return {"inputs": [image], **request}


def in_binary(pictures: Sequence[bytes], **request: Any) -> dict[str, Any]:
    """What httpx sends of a request whose pictures follow the JSON."""
    data = b"".join(struct.pack("<I", len(picture)) + picture for picture in pictures)
    image = {
        "name": "image",
        "shape": [len(pictures), 1],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": len(data)},
    }
    return framed({"inputs": [image], **request}, data)


def framed(request: dict[str, Any], data: bytes) -> dict[str, Any]:
    head = json.dumps(request).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    return {"content": head + data, "headers": headers}


def named(*outputs: str, **parameters: Any) -> list[dict[str, Any]]:
    return [{"name": name, "parameters": parameters} for name in outputs]


def outputs_of(response: httpx.Response) -> dict[str, Any]:
    """The values of each output, in JSON or binary."""
    assert response.status_code == 200, response.text
    length = response.headers.get("inference-header-content-length")
    head = json.loads(response.content[: int(length)] if length else response.content)
    rest = response.content[int(length) :] if length else b""
    values: dict[str, Any] = {}
    for output in head["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if size is None:
            values[output["name"]] = output["data"]
            continue
        data, rest = rest[:size], rest[size:]
        if output["datatype"] == "BYTES":
            elements = []
            while data:
                (length,) = struct.unpack_from("<I", data)
                elements.append(data[4 : 4 + length])
                data = data[4 + length :]
            values[output["name"]] = elements
        else:
            dtype = {"FP32": np.float32, "BOOL": np.bool_}[output["datatype"]]
            values[output["name"]] = np.frombuffer(data, dtype).reshape(output["shape"]).tolist()
    assert rest == b""
    return values


def png(picture: np.ndarray) -> bytes:
    bgr = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", bgr)[1].tobytes()
