from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from takt.core.bundles.bundle import INPUT, MODEL, OUTPUTS
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt_export.errors import ExportError
from takt_export.variants.onnx_fp16 import halve_onnx
from takt_export.variants.onnx_rounding import rounding_in_float32

LOUD = 300.0
"""Its square is more than float16 holds."""


def loud_graph() -> ModelProto:
    """A layer, an L2 norm and a second layer; then the mean square of what is `LOUD`."""
    rng = np.random.default_rng(0)
    kernels = {
        "first": rng.normal(0, 0.1, (4, 3, 1, 1)).astype(np.float16),
        "second": rng.normal(0, 0.1, (4, 4, 1, 1)).astype(np.float16),
    }
    stored = [
        *(numpy_helper.from_array(value, f"{name}.float16") for name, value in kernels.items()),
        helper.make_tensor("channels", TensorProto.INT64, [1], [1]),
        helper.make_tensor("plane", TensorProto.INT64, [2], [1, 2]),
        numpy_helper.from_array(np.float32(1e-12), "least"),
        numpy_helper.from_array(np.float32(LOUD), "loud"),
        numpy_helper.from_array(np.float32(2), "two"),
    ]
    make = helper.make_node
    nodes = [
        make("Cast", [INPUT], ["float"], "to_float", to=TensorProto.FLOAT),
        make("Transpose", ["float"], ["planes"], "transpose", perm=[0, 3, 1, 2]),
        *(
            make("Cast", [f"{name}.float16"], [name], f"{name}.cast", to=TensorProto.FLOAT)
            for name in kernels
        ),
        make("Conv", ["planes", "first"], ["one"], "conv1"),
        make("ReduceL2", ["one", "channels"], ["length"], "norm"),
        make("Clip", ["length", "least"], ["clipped"], "clip"),
        make("Div", ["one", "clipped"], ["unit"], "divide"),
        make("Conv", ["unit", "second"], ["two_"], "conv2"),
        make("Mul", ["two_", "loud"], ["far"], "amplify"),
        make("Pow", ["far", "two"], ["square"], "square"),
        make("ReduceMean", ["square", "channels"], ["mean"], "mean", keepdims=0),
        make("Identity", ["mean"], [OUTPUTS[0]], "map"),
        make("ReduceMax", ["mean", "plane"], [OUTPUTS[1]], "max", keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "loud",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["N", 8, 8, 3])],
        [
            helper.make_tensor_value_info(OUTPUTS[0], TensorProto.FLOAT, ["N", 8, 8]),
            helper.make_tensor_value_info(OUTPUTS[1], TensorProto.FLOAT, ["N"]),
        ],
        stored,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.fixture
def loud(tmp_path: Path) -> Path:
    onnx.save_model(loud_graph(), tmp_path / "loud.onnx")
    return tmp_path / "loud.onnx"


def halved(path: Path, *kept: str) -> ModelProto:
    out = path.with_name("halved.onnx")
    halve_onnx(path, out, kept)
    return onnx.load(out)


def types_of(graph: ModelProto) -> dict[str, int]:
    """The element type of the first input of each node, by its name."""
    typed = onnx.shape_inference.infer_shapes(graph, strict_mode=True).graph
    known = {
        info.name: info.type.tensor_type.elem_type
        for info in (*typed.input, *typed.value_info, *typed.output)
    }
    return {node.name: known[node.input[0]] for node in typed.node if node.input[0] in known}


def computed(graph: GraphProto, name: str) -> NodeProto:
    return next(node for node in graph.node if node.name == name)


def test_layers_compute_in_float16_and_their_weights_are_not_copied(loud: Path) -> None:
    types = types_of(halved(loud))
    assert types["conv1"] == types["conv2"] == TensorProto.FLOAT16
    stored = {one.name: one.data_type for one in onnx.load(loud).graph.initializer}
    assert stored["first.float16"] == TensorProto.FLOAT16


def test_what_is_sensitive_stays_in_float32(loud: Path) -> None:
    types = types_of(halved(loud))
    for name in ("norm", "clip", "divide", "amplify", "square", "mean", "max"):
        assert types[name] == TensorProto.FLOAT, name


def test_nothing_is_rounded_between_two_nodes_in_float32(loud: Path) -> None:
    graph = halved(loud)
    casts = [node for node in graph.graph.node if node.op_type == "Cast"]
    from_layers = {"one", "two_"}
    back = {
        node.input[0]
        for node in casts
        if node.attribute[0].i == TensorProto.FLOAT and not node.input[0].endswith(".float16")
    }
    assert back <= from_layers | {"planes", INPUT}


def test_input_and_outputs_stay_as_they_are(loud: Path) -> None:
    graph = halved(loud).graph
    ports = [(one.name, one.type.tensor_type.elem_type) for one in (*graph.input, *graph.output)]
    assert ports == [
        (INPUT, TensorProto.UINT8),
        (OUTPUTS[0], TensorProto.FLOAT),
        (OUTPUTS[1], TensorProto.FLOAT),
    ]


def test_a_layer_that_is_kept_stays_in_float32(loud: Path) -> None:
    types = types_of(halved(loud, "conv2"))
    assert types["conv1"] == TensorProto.FLOAT16
    assert types["conv2"] == TensorProto.FLOAT


def test_rounded_as_on_a_gpu_it_answers_like_the_reference_but_for_rounding(
    loud: Path, tmp_path: Path
) -> None:
    images = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    rounding = tmp_path / "rounding.onnx"
    onnx.save_model(rounding_in_float32(halved(loud)), rounding)
    expected, found = (
        OnnxRuntimeEngine.open(path, threads=1).infer(images) for path in (loud, rounding)
    )
    # Else the square would be infinite.
    assert expected.anomaly_map.max() > np.finfo(np.float16).max / 100
    np.testing.assert_allclose(found.anomaly_map, expected.anomaly_map, rtol=0.02, atol=1)
    assert np.abs(found.anomaly_map - expected.anomaly_map).max() > 0


@pytest.mark.torch
def test_a_trained_model_is_put_in_float16_from_end_to_end(exported: Path, tmp_path: Path) -> None:
    halve_onnx(exported / MODEL, tmp_path / "halved.onnx")
    types = types_of(onnx.load(tmp_path / "halved.onnx"))
    convolutions = {name: kind for name, kind in types.items() if name.startswith("node_conv")}
    assert len(convolutions) == 22
    assert set(convolutions.values()) == {TensorProto.FLOAT16}


def test_a_graph_that_cannot_be_converted_is_an_error_of_ours(tmp_path: Path) -> None:
    broken = loud_graph()
    computed(broken.graph, "conv2").input[0] = "nowhere"
    onnx.save_model(broken, tmp_path / "broken.onnx")
    with pytest.raises(ExportError, match="cannot be put in float16"):
        halve_onnx(tmp_path / "broken.onnx", tmp_path / "halved.onnx")
