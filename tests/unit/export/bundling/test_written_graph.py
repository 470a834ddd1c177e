"""What a checkpoint's graph answers, and what its file holds."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper

from takt.core.engines.base import EngineOutput
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt_export.bundling.graph import GraphFacts, write_graph
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.checkpoints.own import FitFacts, save_checkpoint
from takt_models.efficientad.detector import EfficientAd

pytestmark = pytest.mark.torch


@dataclass(frozen=True)
class Graph:
    path: Path
    facts: GraphFacts
    images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    together: EngineOutput
    alone: EngineOutput


@pytest.fixture(scope="module")
def graph(small_model: EfficientAd, tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """A whole EfficientAD-S through a checkpoint into a graph, and what it answers."""
    folder = tmp_path_factory.mktemp("graph")
    save_checkpoint(
        folder / "m.safetensors", small_model, FitFacts(small_model.config, ("0" * 16,), 1, 0)
    )
    path = folder / "model.onnx"
    facts = write_graph(load_checkpoint(folder / "m.safetensors").model, path)
    images = np.random.default_rng(0).integers(0, 256, (3, 256, 256, 3), dtype=np.uint8)
    engine = OnnxRuntimeEngine.open(path)
    together, alone = engine.infer(images), engine.infer(images[2:])
    engine.close()
    return Graph(path, facts, images, together, alone)


def test_the_graph_answers_like_torch(graph: Graph, small_model: EfficientAd) -> None:
    pictures = torch.from_numpy(graph.images[2:]).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        anomaly_map, score = small_model(pictures)
    assert float(anomaly_map.std()) > 0.01
    np.testing.assert_allclose(graph.alone.anomaly_map, anomaly_map.numpy(), rtol=0, atol=1e-5)
    np.testing.assert_allclose(graph.alone.score, score.numpy(), rtol=0, atol=1e-5)


def test_a_batch_answers_like_its_pictures_alone(graph: Graph) -> None:
    assert graph.together.anomaly_map.shape == (3, 256, 256)
    assert graph.together.score.shape == (3,)
    np.testing.assert_allclose(
        graph.together.anomaly_map[2:], graph.alone.anomaly_map, rtol=0, atol=1e-5
    )
    np.testing.assert_allclose(graph.together.score[2:], graph.alone.score, rtol=0, atol=1e-5)


def test_the_file_is_half_as_large_as_its_weights_in_float32(graph: Graph) -> None:
    assert graph.facts.size_bytes == graph.path.stat().st_size
    assert graph.facts.size_bytes < 0.51 * 4 * graph.facts.weights


def test_the_stored_weights_are_those_of_the_model(graph: Graph, small_model: EfficientAd) -> None:
    stored = {t.name: t for t in onnx.load(graph.path).graph.initializer}
    for name, parameter in small_model.named_parameters():
        tensor = stored.get(f"model.{name}.float16", stored.get(f"model.{name}"))
        assert tensor is not None, name
        values = numpy_helper.to_array(tensor).astype(np.float32)
        assert np.array_equal(values, parameter.detach().numpy()), name


def test_the_graph_has_opset_18_one_file_and_no_trace_of_the_machine(graph: Graph) -> None:
    written = onnx.load(graph.path)
    assert [(o.domain, o.version) for o in written.opset_import] == [("", 18)]
    assert list(graph.path.parent.glob("model.onnx*")) == [graph.path]
    for where in (__file__, torch.__file__):
        assert str(Path(where).parent).encode() not in graph.path.read_bytes()


def test_weights_that_float16_cannot_hold_stay_float32(
    thin_model: EfficientAd, tmp_path: Path
) -> None:
    model = copy.deepcopy(thin_model)
    with torch.no_grad():
        model.teacher.conv4.weight[0, 0, 0, 0] = 1 + 2**-11  # one bit too fine
        model.student.conv4.weight[0, 0, 0, 0] = 1e6  # too large
    write_graph(model, tmp_path / "m.onnx")
    types = {t.name: t.data_type for t in onnx.load(tmp_path / "m.onnx").graph.initializer}
    assert types["model.teacher.conv4.weight"] == TensorProto.FLOAT
    assert types["model.student.conv4.weight"] == TensorProto.FLOAT
    assert types["model.autoencoder.encoder.enconv6.weight.float16"] == TensorProto.FLOAT16
