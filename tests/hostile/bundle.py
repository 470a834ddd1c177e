"""The bundle of a model that answers brightness: quick, and right or wrong at a glance."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper

from takt.core.bundles.bundle import Bundle, Calibration, Golden
from takt.core.bundles.manifest import Drift, Manifest, MapSpec, Preprocess, Thresholds
from takt.core.bundles.writing import save_bundle

MODEL = "parts"
FAMILY = "brightness"
SIDE = 32
SPOT = 200
"""Brightness of the defect in the good request's picture."""

SCORE = SPOT / 255
REGION = [16, 12, 16, 12]


def spotted_picture() -> bytes:
    """A dark picture of 64 × 48 with a bright spot: its score is `SCORE`, with one region."""
    picture = np.full((48, 64, 3), 50, np.uint8)
    picture[12:24, 16:32] = SPOT
    return cv2.imencode(".png", picture)[1].tobytes()


def write_bundle(repository: Path, version: str = "1", scale: float = 1.0) -> Bundle:
    """Write the bundle into a repository; its model answers brightness times `scale`."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    maps = (images.mean(axis=-1) / 255 * scale).astype(np.float32)
    good, none = np.linspace(0.1, 0.49, 40, dtype=np.float32), np.zeros(0, np.float32)

    def manifest(files: dict[str, str]) -> Manifest:
        return Manifest(
            name=MODEL,
            version=version,
            family=FAMILY,
            variant="tiny",
            framework="tests",
            preprocess=Preprocess(width=SIDE, height=SIDE, resize="area"),
            map=MapSpec(width=SIDE, height=SIDE, low=0.1),
            thresholds=Thresholds(
                image=0.5, pixel=0.5, method="by hand", alpha=None, good_count=len(good)
            ),
            drift=Drift(pictures=3, score=0.0, anomaly_map=0.0),
            made_with={"tests": "0"},
            created_at="2026-01-01T00:00:00Z",
            files=files,
        )

    return save_bundle(
        repository / MODEL / version,
        Golden(images, maps, maps.max(axis=(1, 2))),
        Calibration(good, good, none, none),
        lambda path: onnx.save(_graph(scale), path),
        manifest,
    )


def _graph(scale: float) -> onnx.ModelProto:
    """Map: the mean of the channels / 255 times `scale`; score: its maximum."""
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "channel"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "scale"], ["anomaly_map"]),
        helper.make_node("ReduceMax", ["anomaly_map", "plane"], ["score"], keepdims=0),
    ]
    shape = ["N", SIDE, SIDE]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, [*shape, 3])],
        [
            helper.make_tensor_value_info("anomaly_map", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N"]),
        ],
        [
            helper.make_tensor("channel", TensorProto.INT64, [1], [3]),
            helper.make_tensor("plane", TensorProto.INT64, [2], [1, 2]),
            helper.make_tensor("scale", TensorProto.FLOAT, [], [scale / 255]),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
