from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from takt_export.bundling.graph import ImagesToAnswer, write_graph
from takt_export.variants.onnx_int8 import quantize_onnx
from takt_models.patchcore.config import PatchCoreConfig
from takt_models.patchcore.detector import PatchCore
from tests.patchcore import a_patchcore

pytestmark = pytest.mark.torch

TOLERANCE = 2e-5
CONFIG = PatchCoreConfig((30, 40), width=64, height=32)


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (3, 32, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model(images: NDArray[np.uint8]) -> PatchCore:
    """Random weights, with banks of cells of one picture."""
    model = a_patchcore(CONFIG)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        for bank, raw in zip(model.banks, model.embed(model.normalize(pixels)), strict=True):
            bank.mean.copy_(raw.mean((0, 1)))
            bank.std.copy_(raw.std((0, 1)))
            cells = bank.standardize(raw[0])
            around = torch.cat([cells.roll(turn, 1) for turn in range(6)])
            bank.vectors.copy_(around[: len(bank.vectors)].half())
    return model


@pytest.fixture(scope="module")
def path(model: PatchCore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    write_graph(model, path)
    return path


def test_the_graph_answers_as_torch_does_alone_and_in_a_batch(
    model: PatchCore, path: Path, images: NDArray[np.uint8]
) -> None:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = [one.numpy() for one in ImagesToAnswer(model)(torch.from_numpy(images))]
    together = session.run(["anomaly_map", "score"], {"images": images})
    for got, due in zip(together, expected, strict=True):
        np.testing.assert_allclose(got, due, atol=TOLERANCE)
    for index in range(3):
        alone = session.run(["anomaly_map", "score"], {"images": images[index : index + 1]})
        np.testing.assert_allclose(alone[0][0], together[0][index], atol=TOLERANCE)
    assert np.ptp(together[1]) > 10 * TOLERANCE, "answers that hardly differ show nothing"


def test_the_distances_to_a_whole_bank_are_one_matrix_product(model: PatchCore, path: Path) -> None:
    graph = onnx.load(path).graph
    products = [node for node in graph.node if node.op_type in ("MatMul", "Gemm")]
    assert len(products) == len(model.banks) == 2
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for product, bank in zip(products, model.banks, strict=True):
        columns, vectors = stored[product.input[1]], bank.vectors.detach().numpy()
        np.testing.assert_array_equal(columns[:-1].T, vectors)
        # The last row makes of a product x·b what is highest for the nearest vector: x·b - |b|²/2.
        np.testing.assert_allclose(columns[-1], -0.5 * np.square(vectors).sum(1), rtol=1e-6)


def test_the_map_that_leaves_the_graph_has_one_value_for_each_cell(path: Path) -> None:
    anomaly_map = onnx.load(path).graph.output[0].type.tensor_type.shape
    assert [dim.dim_value for dim in anomaly_map.dim][1:] == [4, 8]


def test_in_8_bits_a_relu6_is_a_part_of_the_layer_before_it(
    path: Path, images: NDArray[np.uint8], tmp_path: Path
) -> None:
    quantize_onnx(path, list(images), tmp_path / "int8.onnx")
    whole, small = (onnx.load(one).graph for one in (path, tmp_path / "int8.onnx"))
    convolutions = {node.output[0] for node in whole.node if node.op_type == "Conv"}
    clipped = [n for n in whole.node if n.op_type == "Clip" and n.input[0] in convolutions]
    assert len(clipped) == 22
    left = {node.name for node in small.node if node.op_type == "Clip"}
    assert not left & {node.name for node in clipped}
