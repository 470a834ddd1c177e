from __future__ import annotations

import numpy as np
import onnxruntime
from onnx import ModelProto, TensorProto, helper, numpy_helper

from takt_export.variants.onnx_rounding import rounding_in_float32

VALUES = np.array([1.0001, 1000.7, 3.3333], np.float32)


def half_graph() -> ModelProto:
    """x to float16, squared, its root taken, times a constant, and back."""
    make = helper.make_node
    nodes = [
        make("Cast", ["x"], ["half"], "down", to=TensorProto.FLOAT16),
        make("Mul", ["half", "half"], ["square"], "square"),
        make("Sqrt", ["square"], ["root"], "root"),
        make("Mul", ["root", "third"], ["scaled"], "scale"),
        make("Cast", ["scaled"], ["y"], "up", to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "half",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])],
        [numpy_helper.from_array(np.float16(1 / 3), "third")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def run(model: ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {"x": VALUES})
    return np.asarray(found)


def test_each_result_is_rounded_and_overflows_as_in_float16() -> None:
    half = VALUES.astype(np.float16)
    with np.errstate(over="ignore"):
        expected = np.sqrt(half * half) * np.float16(1 / 3)
    assert np.isinf(expected[1])
    np.testing.assert_array_equal(run(rounding_in_float32(half_graph())), expected)


def test_the_graph_itself_is_not_rounded_on_a_cpu_which_is_why() -> None:
    assert np.isfinite(run(half_graph())).all()


def test_the_graph_in_float16_stays_as_it_is() -> None:
    model = half_graph()
    before = model.SerializeToString()
    rounding_in_float32(model)
    assert model.SerializeToString() == before


def test_nodes_keep_their_names() -> None:
    names = {node.name for node in rounding_in_float32(half_graph()).graph.node}
    assert {"square", "root", "scale"} <= names
