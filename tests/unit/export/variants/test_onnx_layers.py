from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper

from takt.core.engines.layers import first_failing
from takt_export.variants.onnx_layers import layers_of, onnx_layer_errors, weighted_layers

SIDE = 16


def branches(wrong: str = "", factor: float = 1.0) -> ModelProto:
    """Two branches of two convolutions each, whose difference is smoothed and squared.

    Args:
        wrong: the layer whose weights are multiplied.
        factor: by this.
    """
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], "transpose", perm=[0, 3, 1, 2]),
    ]
    stored = [
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        helper.make_tensor("plane", TensorProto.INT64, [2], [1, 2]),
        numpy_helper.from_array(np.full((1, 1, 3, 3), 1 / 9, np.float32), "filter"),
    ]
    for branch in ("a", "b"):
        source, channels = "planes", 3
        for number, out in (("1", 4), ("2", 1)):
            name = f"{branch}.conv{number}"
            kernel = rng.normal(0, 0.05, (out, channels, 3, 3)).astype(np.float16)
            kernel *= np.float16(factor if name == wrong else 1.0)
            weight = f"model.{name}.weight"
            stored.append(numpy_helper.from_array(kernel, f"{weight}.float16"))
            nodes += [
                helper.make_node(
                    "Cast", [f"{weight}.float16"], [weight], f"{weight}.cast", to=TensorProto.FLOAT
                ),
                helper.make_node("Conv", [source, weight], [name], f"node_{name}", pads=[1] * 4),
            ]
            source, channels = name, out
    nodes += [
        helper.make_node("Sub", ["a.conv2", "b.conv2"], ["difference"], "sub"),
        helper.make_node("Conv", ["difference", "filter"], ["smooth"], "smoothing", pads=[1] * 4),
        helper.make_node("Mul", ["smooth", "smooth"], ["square"], "mul"),
        helper.make_node("Squeeze", ["square", "axis"], ["anomaly_map"], "squeeze"),
        helper.make_node("ReduceMax", ["anomaly_map", "plane"], ["score"], "max", keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "branches",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info("anomaly_map", TensorProto.FLOAT, ["N", SIDE, SIDE]),
            helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N"]),
        ],
        stored,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def names_of(graph: GraphProto) -> set[str]:
    return {node.name for node in graph.node}


def saved(path: Path, model: ModelProto) -> Path:
    onnx.save_model(model, path)
    return path


@pytest.fixture
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)


def test_layers_are_told_by_their_weights_and_by_what_feeds_them() -> None:
    graph = branches().graph
    found = {layer.node: layer for layer in layers_of(graph, names_of(graph))}
    assert found["node_a.conv1"].name == "a.conv1"
    assert found["node_a.conv1"].fed_by == frozenset()
    assert found["node_a.conv2"].fed_by == {"node_a.conv1"}
    assert found["smoothing"].fed_by == {"node_a.conv2", "node_b.conv2"}


def test_a_product_of_what_was_computed_is_a_layer_by_its_own_name_and_has_no_weights() -> None:
    model = branches()
    product = helper.make_node("MatMul", ["a.conv1", "b.conv1"], ["product"], "product")
    model.graph.node.insert(len(model.graph.node) - 5, product)
    (found,) = (
        layer for layer in layers_of(model.graph, names_of(model.graph)) if layer.node == "product"
    )
    assert (found.name, found.fed_by) == ("product", {"node_a.conv1", "node_b.conv1"})
    assert "product" not in weighted_layers(model.graph)


def test_a_filter_of_one_channel_does_not_count_among_the_layers_with_weights() -> None:
    names = [f"node_{branch}.conv{number}" for branch in "ab" for number in "12"]
    assert weighted_layers(branches().graph) == set(names)


def test_the_same_graph_differs_nowhere(tmp_path: Path, images: NDArray[np.uint8]) -> None:
    path = saved(tmp_path / "a.onnx", branches())
    errors = onnx_layer_errors(path, path, images)
    assert len(errors) == 5
    assert all(one.error == one.grown == 0 for one in errors)


@pytest.mark.parametrize("layer", ["a.conv1", "a.conv2", "b.conv1"])
def test_a_layer_with_wrong_weights_is_the_one_that_is_named(
    tmp_path: Path, images: NDArray[np.uint8], layer: str
) -> None:
    reference = saved(tmp_path / "a.onnx", branches())
    wrong = saved(tmp_path / "b.onnx", branches(layer, 2.0))
    errors = onnx_layer_errors(reference, wrong, images)
    assert first_failing(errors, 0.5)[0] == layer


def test_a_layer_that_answers_no_finite_numbers_is_named(
    tmp_path: Path, images: NDArray[np.uint8]
) -> None:
    reference = saved(tmp_path / "a.onnx", branches())
    wrong = saved(tmp_path / "b.onnx", branches("a.conv1", float("inf")))
    errors = {one.name: one for one in onnx_layer_errors(reference, wrong, images)}
    assert errors["a.conv1"].error == errors["a.conv1"].grown == float("inf")
    assert errors["a.conv2"].grown == 0
    assert first_failing(tuple(errors.values()), 0.25) == ("a.conv1",)


def test_layers_that_the_variant_has_not_are_left_out(
    tmp_path: Path, images: NDArray[np.uint8]
) -> None:
    model = branches()
    for node in model.graph.node:
        if node.name == "node_a.conv2":
            node.name = "another"
    reference = saved(tmp_path / "a.onnx", branches())
    names = {one.name for one in onnx_layer_errors(reference, saved(tmp_path / "b", model), images)}
    assert names == {"a.conv1", "b.conv1", "b.conv2", "filter"}
    (last,) = (
        layer
        for layer in layers_of(model.graph, names_of(model.graph) - {"another"})
        if layer.name == "filter"
    )
    assert last.fed_by == {"node_a.conv1", "node_b.conv2"}
