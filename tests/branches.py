"""A graph of two branches of convolutions, of which some may be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 16
NODES = tuple(f"node_{branch}.conv{number}" for branch in "ab" for number in "12")
"""Names of the layers' nodes, in the graph's order."""


def write_branches(path: Path, wrong: dict[str, float] | None = None) -> Path:
    """Two branches of two convolutions each; the weights of some are scaled."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
    ]
    weights = []
    for branch in ("a", "b"):
        source, channels = "planes", 3
        for number, out in (("1", 4), ("2", 1)):
            name = f"{branch}.conv{number}"
            kernel = rng.normal(0, 0.05, (out, channels, 3, 3)).astype(np.float32)
            kernel *= (wrong or {}).get(name, 1.0)
            weights.append(numpy_helper.from_array(kernel, f"model.{name}.weight"))
            nodes.append(
                helper.make_node(
                    "Conv", [source, f"model.{name}.weight"], [name], f"node_{name}", pads=[1] * 4
                )
            )
            source, channels = name, out
    nodes += [
        helper.make_node("Sub", ["a.conv2", "b.conv2"], ["difference"]),
        helper.make_node("Mul", ["difference", "difference"], ["square"]),
        helper.make_node("Squeeze", ["square", "axis"], ["anomaly_map"]),
        helper.make_node("ReduceMax", ["anomaly_map", "plane"], ["score"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "branches",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info("anomaly_map", TensorProto.FLOAT, ["N", SIDE, SIDE]),
            helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N"]),
        ],
        [
            *weights,
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
            helper.make_tensor("plane", TensorProto.INT64, [2], [1, 2]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return path
