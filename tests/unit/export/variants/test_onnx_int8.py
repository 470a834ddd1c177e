from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from takt.core.bundles.bundle import MODEL
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt_export.errors import ExportError
from takt_export.variants.onnx_int8 import quantize_onnx

pytestmark = pytest.mark.torch

Images = list[NDArray[np.uint8]]


@pytest.fixture(scope="module")
def images() -> Images:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (256, 256, 3), dtype=np.uint8) for _ in range(3)]


@pytest.fixture(scope="module")
def quantized(exported: Path, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("int8") / "graph.onnx"
    quantize_onnx(exported / MODEL, images, path, ["node_conv2d_1"])
    return path


def test_every_layer_has_8_bit_weights_of_a_scale_for_each_channel(quantized: Path) -> None:
    stored = {tensor.name: tensor for tensor in onnx.load(quantized).graph.initializer}
    weights = stored["model.teacher.conv2.weight_quantized"]
    assert weights.data_type == TensorProto.INT8
    assert list(stored["model.teacher.conv2.weight_scale"].dims) == [weights.dims[0]]


def test_activations_are_unsigned_and_a_relu_is_a_part_of_its_layer(quantized: Path) -> None:
    graph = onnx.load(quantized).graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    points = {
        types[node.input[2]]
        for node in graph.node
        if node.op_type == "QuantizeLinear" and "zero_point" in node.input[2]
    }
    assert points == {TensorProto.UINT8}
    # Of the layer that is kept alone: it is not quantised, so that it cannot take one in.
    assert [node.input[0] for node in graph.node if node.op_type == "Relu"] == ["conv2d_1"]


def test_a_layer_that_is_kept_stays_in_float32(quantized: Path) -> None:
    types = {one.name: one.data_type for one in onnx.load(quantized).graph.initializer}
    assert types["model.student.conv2.weight"] == TensorProto.FLOAT
    assert "model.student.conv2.weight_quantized" not in types


def test_it_takes_any_number_of_pictures_and_answers_each_alike(
    quantized: Path, images: Images
) -> None:
    engine = OnnxRuntimeEngine.open(quantized, threads=1)
    together = engine.infer(np.stack(images))
    alone = [engine.infer(image[np.newaxis]).score[0] for image in images]
    np.testing.assert_allclose(together.score, alone, rtol=1e-5)
    engine.close()


def test_nothing_is_left_beside_the_graph(quantized: Path) -> None:
    assert [file.name for file in quantized.parent.iterdir()] == ["graph.onnx"]


def test_a_graph_that_cannot_be_quantised_is_an_error_of_ours(
    exported: Path, images: Images, tmp_path: Path
) -> None:
    small = [image[:64] for image in images]
    with pytest.raises(ExportError, match="ONNX Runtime cannot quantise"):
        quantize_onnx(exported / MODEL, small, tmp_path / "graph.onnx")
