from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.engines.layers import LayerError, first_failing, layer_errors

SIDE = 16


def write(path: Path, wrong: dict[str, float] | None = None) -> Path:
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


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)


def test_the_same_graph_differs_nowhere(tmp_path: Path, images: np.ndarray) -> None:
    path = write(tmp_path / "a.onnx")
    errors = layer_errors(path, path, images)
    assert sorted(one.name for one in errors) == ["a.conv1", "a.conv2", "b.conv1", "b.conv2"]
    assert all(one.error == one.grown == 0 for one in errors)


@pytest.mark.parametrize("layer", ["a.conv1", "a.conv2", "b.conv1"])
def test_a_layer_with_a_wrong_scale_is_the_one_that_is_named(
    tmp_path: Path, images: np.ndarray, layer: str
) -> None:
    reference, wrong = write(tmp_path / "a.onnx"), write(tmp_path / "b.onnx", {layer: 2.0})
    errors = {one.name: one for one in layer_errors(reference, wrong, images)}
    # Twice the output: the difference is the output itself, whose mean counts as well.
    assert errors[layer].error >= 1
    assert errors[layer].grown == errors[layer].error
    assert first_failing(tuple(errors.values()), 0.25) == (layer,)


def test_what_a_wrong_layer_feeds_is_wrong_and_not_blamed(
    tmp_path: Path, images: np.ndarray
) -> None:
    reference, wrong = write(tmp_path / "a.onnx"), write(tmp_path / "b.onnx", {"a.conv1": 2.0})
    errors = {one.name: one for one in layer_errors(reference, wrong, images)}
    assert errors["a.conv2"].error > 0.25
    assert errors["a.conv2"].grown < 0.25
    assert errors["b.conv2"].error == 0


def test_where_no_layer_is_beyond_the_bound_those_that_grew_most_are_named() -> None:
    errors = [LayerError("n1", "a", 0.1, 0.1), LayerError("n2", "b", 0.3, 0.2)]
    assert first_failing(errors, 0.25) == ("b", "a")
    assert first_failing(errors, 0.15) == ("b",)
    assert first_failing([LayerError("n", "a", 0.0, 0.0)], 0.25) == ()
