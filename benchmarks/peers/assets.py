"""The two graphs and the two pictures that every system gets, made by code, always the same."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from benchmarks.peers.places import Places

MODELS = ("tiny", "null")
HEIGHTS = {256: 256, 1280: 960}
"""Of the pictures, by their width."""

INPUT = 256
TINY_DEPTH = 4
CELL = 8
"""Side of the cells of noise that a picture is stretched from, in pixels."""


def make_assets(places: Places) -> None:
    """Write all four, over what is there."""
    places.assets.mkdir(parents=True, exist_ok=True)
    _Tiny().save(places.graph("tiny"))
    _save(*_null(), places.graph("null"))
    for width, height in HEIGHTS.items():
        write_jpeg(part(width, height, seed=1), places.picture(width))


def part(width: int, height: int, seed: int) -> np.ndarray:
    """A textured grey part with a scratch: it compresses like a camera's frame, not like noise.

    Returns:
        BGR uint8 [height, width, 3].
    """
    random = np.random.default_rng(seed)
    coarse = random.normal(128, 40, (height // CELL, width // CELL, 3)).astype(np.float32)
    base = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    noisy = base + random.normal(0, 3, (height, width, 3))
    picture = np.clip(noisy, 0, 255).astype(np.uint8)
    cv2.line(picture, (width // 4, height // 4), (width // 2, height // 2), (20, 20, 20), 3)
    return picture


def write_jpeg(picture: np.ndarray, path: Path) -> None:
    """Write BGR uint8 [h, w, 3] at quality 90."""
    encoded, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not encoded:
        raise SystemExit(f"OpenCV cannot encode {path.name}; its build lacks JPEG")
    path.write_bytes(data.tobytes())


class _Tiny:
    """A small convolutional network for a map, 256 -> 64 -> 256: a few ms on one core."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def save(self, path: Path) -> None:
        """Build and write the graph."""
        x = self._relu(self._conv("input", 3, 16, "c1", stride=2))
        x = self._relu(self._conv(x, 16, 32, "c2", stride=2))
        for index in range(TINY_DEPTH):
            x = self._relu(self._conv(x, 32, 32, f"c{3 + index}"))
        x = self._conv(x, 32, 1, "head", kernel=1)
        scales = np.array([1, 1, 4, 4], np.float32)
        self._constants.append(numpy_helper.from_array(scales, "scales"))
        self._nodes.append(helper.make_node("Resize", [x, "", "scales"], ["map"], mode="linear"))
        _save(self._nodes, self._constants, path)

    def _conv(
        self, x: str, planes_in: int, planes: int, name: str, stride: int = 1, kernel: int = 3
    ) -> str:
        scale = np.sqrt(2.0 / (planes_in * kernel * kernel))
        drawn = self._random.standard_normal((planes, planes_in, kernel, kernel))
        self._constants += [
            numpy_helper.from_array((drawn * scale).astype(np.float32), f"{name}_w"),
            numpy_helper.from_array(np.zeros(planes, np.float32), f"{name}_b"),
        ]
        self._nodes.append(
            helper.make_node(
                "Conv",
                [x, f"{name}_w", f"{name}_b"],
                [name],
                kernel_shape=[kernel, kernel],
                strides=[stride, stride],
                pads=[kernel // 2] * 4,
            )
        )
        return name

    def _relu(self, x: str) -> str:
        self._nodes.append(helper.make_node("Relu", [x], [f"{x}_r"]))
        return f"{x}_r"


def _null() -> tuple[list[NodeProto], list[TensorProto]]:
    """Next to no work: the channels' mean at every 32nd pixel is the map."""
    slices = {"st": [0, 0], "en": [INPUT, INPUT], "ax": [2, 3], "sp": [32, 32]}
    constants = [
        numpy_helper.from_array(np.array(values, np.int64), name) for name, values in slices.items()
    ]
    nodes = [
        helper.make_node("Slice", ["input", *slices], ["sl"]),
        helper.make_node("ReduceMean", ["sl"], ["map"], axes=[1], keepdims=1),
    ]
    return nodes, constants


def _save(nodes: list[NodeProto], constants: list[TensorProto], path: Path) -> None:
    """Add the score, the map's maximum, and write."""
    score = helper.make_node("ReduceMax", ["map"], ["score"], axes=[1, 2, 3], keepdims=0)
    graph = helper.make_graph(
        [*nodes, score],
        "g",
        [_tensor("input", ["N", 3, INPUT, INPUT])],
        [_tensor("map", ["N", 1, "H", "W"]), _tensor("score", ["N"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _tensor(name: str, shape: list[str | int]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
