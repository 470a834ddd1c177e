"""A bundle that costs little to run and whose maps differ where tiles overlap, for `tiling.py`."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from service.core.bundles.bundle import Calibration, Golden
from service.core.bundles.manifest import Drift, Manifest, MapSpec, Preprocess, Thresholds
from service.core.bundles.tiling import Tiling
from service.core.bundles.writing import save_bundle
from service.core.engines.onnxruntime import OnnxRuntimeEngine

SIDE = 256
"""Of the input and of the map, in pixels and cells."""


def make_bundle(path: Path, tiling: Tiling) -> None:
    """A bundle of `edges_graph`, with thresholds that nobody looks at."""
    images = np.random.default_rng(1).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    model = edges_graph()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        onnx.save(model, file)
        with closing(OnnxRuntimeEngine.open(file)) as engine:
            answer = engine.infer(images)
    none = np.zeros(0, np.float32)
    save_bundle(
        path,
        Golden(images, answer.anomaly_map, answer.score),
        Calibration(none, none, none, none),
        lambda to: onnx.save(model, to),
        lambda files: Manifest(
            name=path.parent.name,
            version=path.name,
            family="edges",
            variant="tiny",
            framework="benchmark",
            preprocess=Preprocess(width=SIDE, height=SIDE, resize="area"),
            map=MapSpec(width=SIDE, height=SIDE, low=0.0),
            thresholds=Thresholds(
                image=10.0, pixel=10.0, method="by hand", alpha=None, good_count=0
            ),
            tiling=tiling,
            drift=Drift(pictures=0, score=0.0, anomaly_map=0.0),
            made_with={},
            created_at="2026-01-01T00:00:00Z",
            files=files,
        ),
    )


def edges_graph() -> onnx.ModelProto:
    """Three convolutions of 3 x 3, padded with zeros; the map is the last one's absolute value."""
    rng = np.random.default_rng(2)

    def store(name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> TensorProto:
        return numpy_helper.from_array(values, name)

    def kernel(name: str, out: int, into: int) -> TensorProto:
        values = rng.normal(0, (2 / (9 * into)) ** 0.5, (out, into, 3, 3))
        return store(name, values.astype(np.float32))

    nodes = [
        helper.make_node("Transpose", ["images"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["levels", "white"], ["picture"]),
        helper.make_node("Conv", ["picture", "first"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Conv", ["d", "third"], ["e"], pads=[1, 1, 1, 1]),
        helper.make_node("Abs", ["e"], ["f"]),
        helper.make_node("Squeeze", ["f", "channel"], ["anomaly_map"]),
        helper.make_node("ReduceMax", ["anomaly_map", "plane"], ["score"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "edges",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info("anomaly_map", TensorProto.FLOAT, ["N", SIDE, SIDE]),
            helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N"]),
        ],
        [
            kernel("first", 8, 3),
            kernel("second", 8, 8),
            kernel("third", 1, 8),
            store("white", np.array(255, np.float32)),
            store("channel", np.array([1], np.int64)),
            store("plane", np.array([1, 2], np.int64)),
        ],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9, producer_name="benchmark"
    )
