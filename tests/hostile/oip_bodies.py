"""Inference requests of the Open Inference Protocol, and what broken clients make of them."""

from __future__ import annotations

import base64
import json
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.hostile.pictures import mutant, originals

HEADER_LENGTH = "Inference-Header-Content-Length"
_ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**63, 2**64, -(2**63), 1e308, 0.5, "", "x" * 65, "\ud83d\ude00",
    [], [[]], {}, {"a": 1}, [None], "NaN", "1", ["YWJj"] * 65, [[[[[[[[[0]]]]]]]]], "../../etc",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Body:
    """A body and the headers that go with it."""

    name: str
    data: bytes
    headers: dict[str, str] = field(default_factory=dict)


def _document(rng: random.Random) -> dict[str, Any]:
    """A good request in JSON."""
    picture = rng.choice(list(originals().values()))
    tensors = (
        {"name": "image", "shape": [1], "datatype": "BYTES", "data": [_text(picture)]},
        {"name": "image", "shape": [2, 1], "datatype": "BYTES", "data": [_text(picture)] * 2},
        {"name": "pixels", "shape": [1, 4, 4, 3], "datatype": "UINT8", "data": [9] * 48},
        {"name": "pixels", "shape": [1, 4, 4], "datatype": "UINT8", "data": [[[9] * 4] * 4]},
    )
    outputs = [{"name": name} for name in ("score", "regions", "anomaly_map", "heatmap")]
    return {
        "id": "one",
        "inputs": [rng.choice(tensors)],
        "outputs": rng.sample(outputs, rng.randint(0, 4)),
        "parameters": {"timeout_ms": 5000, "threshold": 0.5, "priority": "line"},
    }


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value within a document."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value[:4]))
    return [path, *(place for key, one in items for place in _places(one, (*path, key)))]


def _changed(rng: random.Random) -> Body:
    """A value somewhere becomes an odd one, goes, or comes twice."""
    document = json.loads(json.dumps(_document(rng)))
    for _ in range(rng.choice((1, 1, 2))):
        places = [place for place in _places(document) if place]
        *way, last = rng.choice(places)
        holder = document
        for key in way:
            holder = holder[key]
        done = rng.random()
        if done < 0.7:
            holder[last] = rng.choice(_ODD)
        elif done < 0.85 or not isinstance(holder, dict):
            del holder[last]
        else:
            holder[f"{last}_"] = holder[last]
    parameters = document.get("parameters")
    if isinstance(parameters, dict) and parameters.get("timeout_ms") in (0.5, 1):
        parameters["timeout_ms"] = 5000  # a millisecond gets the 504 that it asks for
    return Body("a value changed", json.dumps(document).encode())


def _damaged(rng: random.Random) -> Body:
    """The text itself is damaged."""
    text = json.dumps(_document(rng)).encode()
    at = rng.randrange(len(text))
    kinds: tuple[bytes, ...] = (
        text[:at],
        text[:at] + bytes([rng.randrange(256)]) + text[at + 1 :],
        text + text,
        b"\xef\xbb\xbf" + text,
        text.decode().encode("utf-16"),
        b"[" * rng.choice((10, 5_000, 400_001)),
        b'{"inputs":' * 2_000,
        rng.randbytes(rng.choice((0, 1, 100))),
        text.replace(b"9", b"9" * 400, 1),
        b"null",
    )
    return Body("text damaged", rng.choice(kinds))


def _picture(rng: random.Random) -> Body:
    """A tampered picture in base64 or in binary, as the protocol has it."""
    one = mutant(rng)
    if rng.random() < 0.3:
        tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [_text(one.data)]}
        return Body("a tampered picture", json.dumps({"inputs": [tensor]}).encode())
    return _binary(rng, one.data, broken=False)


def _binary(rng: random.Random, picture: bytes = b"", *, broken: bool = True) -> Body:
    """The binary extension, with lengths that do not fit each other."""
    picture = picture or rng.choice(list(originals().values()))
    element = struct.pack("<I", len(picture)) + picture
    size: Any = len(element)
    shape: list[Any] = [1]
    if broken and rng.random() < 0.5:
        claimed = rng.choice((0, 1, len(picture) - 1, len(picture) + 1, 0x7FFFFFFF, 0xFFFFFFFF))
        element = struct.pack("<I", claimed) + picture
    if broken and rng.random() < 0.4:
        size = rng.choice((0, -1, size - 1, size + 1, 2**40, 2**64, "9", None))
    if broken and rng.random() < 0.3:
        shape = rng.choice(([2], [0], [-1], [64], [65], [2**62], [1, 1, 1], [], [2**63]))
    tensor = {
        "name": "image",
        "shape": shape,
        "datatype": "BYTES",
        "parameters": {"binary_data_size": size},
    }
    document: dict[str, Any] = {"inputs": [tensor]}
    if rng.random() < 0.5:
        document["parameters"] = {"binary_data_output": True}
    head = json.dumps(document).encode()
    length = str(len(head))
    if broken and rng.random() < 0.3:
        length = rng.choice(
            (
                "0",
                "-1",
                "1",
                str(len(head) - 1),
                str(len(head) + 1),
                "9" * 12,
                "9" * 400,
                "0x10",
                "²",
            )
        )
    return Body(
        "binary" if broken else "a tampered picture",
        head + element + (b"\0" if broken and rng.random() < 0.1 else b""),
        {HEADER_LENGTH: length, "Content-Type": "application/octet-stream"},
    )


def _pixels(rng: random.Random) -> Body:
    """Raw pixels whose shape and bytes do not fit."""
    shape = rng.choice(
        (
            [1, 4, 4, 3],
            [1, 2**31, 2**31, 3],
            [1, 7000, 7000, 3],
            [1, 0, 4, 3],
            [2, 4, 4],
            [1, 4, 4, 2],
        )
    )
    data = bytes(rng.choice((0, 1, 47, 48, 49, 32)))
    tensor = {
        "name": "pixels",
        "shape": shape,
        "datatype": "UINT8",
        "parameters": {"binary_data_size": len(data)},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    return Body("pixels", head + data, {HEADER_LENGTH: str(len(head))})


_KINDS: tuple[tuple[Callable[[random.Random], Body], float], ...] = (
    (_changed, 4),
    (_damaged, 2),
    (_picture, 2),
    (_binary, 3),
    (_pixels, 1),
)


def broken_body(rng: random.Random) -> Body:
    """A request that is broken in some way."""
    make = rng.choices([kind for kind, _ in _KINDS], [weight for _, weight in _KINDS])[0]
    return make(rng)
