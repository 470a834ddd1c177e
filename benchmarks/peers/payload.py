"""What is posted, in the form that each system takes, and the score in its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Form = Literal["jpeg", "multipart", "oip"]
"""The picture alone; a form with one file; the Open Inference Protocol's binary extension."""

BOUNDARY = b"benchboundary7d1"


@dataclass(frozen=True, slots=True)
class Payload:
    """A request's body and the headers that go with it."""

    body: bytes
    headers: Mapping[str, str]


_NONE: Mapping[str, str] = {}


def payload(form: Form, jpeg: bytes, headers: Mapping[str, str] = _NONE) -> Payload:
    """A picture in the form that a system takes, with further headers."""
    if form == "multipart":
        plain = _multipart(jpeg)
    elif form == "oip":
        plain = _oip(jpeg)
    else:
        plain = Payload(jpeg, {"Content-Type": "image/jpeg"})
    return Payload(plain.body, {**plain.headers, **headers})


def score_of(answer: Any) -> float:
    """The score in an answer, whichever form that has: an object, a list of one, OIP's outputs."""
    if isinstance(answer, list):
        return score_of(answer[0])
    for output in answer.get("outputs", ()):
        if output["name"] == "score":
            return float(output["data"][0])
    return float(answer["score"])


def _multipart(jpeg: bytes) -> Payload:
    head = (
        b'Content-Disposition: form-data; name="images"; filename="a.jpg"\r\n'
        b"Content-Type: image/jpeg"
    )
    body = b"--%b\r\n%b\r\n\r\n%b\r\n--%b--\r\n" % (BOUNDARY, head, jpeg, BOUNDARY)
    return Payload(body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"})


def _oip(jpeg: bytes) -> Payload:
    element = len(jpeg).to_bytes(4, "little") + jpeg
    picture = {
        "name": "jpeg",
        "shape": [1, 1],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": len(element)},
    }
    outputs = [{"name": name, "parameters": {"binary_data": False}} for name in ("score", "stats")]
    head = json.dumps({"inputs": [picture], "outputs": outputs}).encode()
    headers = {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(head)),
    }
    return Payload(head + element, headers)
