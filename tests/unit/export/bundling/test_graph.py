"""What engines make of a written graph: what it leaves to them is done as they load it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import GraphProto, NodeProto, numpy_helper

from takt_export.bundling.graph import write_graph
from takt_models.efficientad.detector import EfficientAd

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def loaded(thin_model: EfficientAd, tmp_path_factory: pytest.TempPathFactory) -> GraphProto:
    """An EfficientAD's graph as ONNX Runtime has it, before it chooses memory layouts."""
    folder = tmp_path_factory.mktemp("graph")
    write_graph(thin_model, folder / "written.onnx")
    return as_loaded(folder / "written.onnx")


def as_loaded(path: Path) -> GraphProto:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path.with_name("loaded.onnx"))
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return onnx.load(options.optimized_model_filepath).graph


def producer(graph: GraphProto, tensor: str) -> NodeProto:
    (node,) = (node for node in graph.node if tensor in node.output)
    return node


def test_the_teacher_is_normalised_by_its_last_convolution(
    loaded: GraphProto, thin_model: EfficientAd
) -> None:
    differences = [producer(loaded, n.input[0]) for n in loaded.node if n.op_type == "Pow"]
    assert [node.op_type for node in differences] == ["Sub", "Sub"]
    operands = [producer(loaded, tensor) for node in differences for tensor in node.input]
    assert sorted(node.op_type for node in operands) == ["Conv", "Conv", "Split", "Split"]

    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in loaded.initializer}
    folded = (
        thin_model.teacher.conv4.weight.detach().numpy()
        / thin_model.teacher_std.numpy().reshape(-1, 1, 1, 1)
    )
    of_teacher = [
        node
        for node in operands
        if node.op_type == "Conv" and weights[node.input[1]].shape == folded.shape
    ]
    assert len(of_teacher) == 1
    np.testing.assert_allclose(weights[of_teacher[0].input[1]], folded, rtol=1e-6)


def test_the_maps_are_resized_as_one(loaded: GraphProto) -> None:
    after = [node.op_type for node in loaded.node]
    assert after[after.index("Pow") :].count("Resize") == 1


def test_nothing_casts_weights_once_the_graph_is_loaded(loaded: GraphProto) -> None:
    casts = [node for node in loaded.node if node.op_type == "Cast"]
    stored = {tensor.name for tensor in loaded.initializer}
    assert not [node for node in casts if node.input[0] in stored]
