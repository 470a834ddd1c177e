from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from takt_export.bundling.graph import ImagesToAnswer, write_graph
from takt_models.inpformer.config import InpFormerConfig, Mode
from takt_models.inpformer.detector import InpFormer
from takt_models.inpformer.lite0 import Lite0Encoder
from tests.inpformer import LIGHT

pytestmark = pytest.mark.torch

TOLERANCE = 1e-5
Answer = tuple[NDArray[np.float32], NDArray[np.float32]]

THIN = InpFormerConfig(
    embed_dim=64,
    encoder_heads=2,
    decoder_heads=2,
    target_blocks=(0, 1),
    decoder_depth=1,
    encoder_groups=((0,), (1,)),
    decoder_groups=((0,), (0,)),
    width=70,
    height=70,
)


@dataclass(frozen=True)
class Exported:
    """A model and its graph, in ONNX Runtime too."""

    model: InpFormer
    path: Path
    session: onnxruntime.InferenceSession

    def run(self, images: NDArray[np.uint8]) -> Answer:
        anomaly_map, score = self.session.run(["anomaly_map", "score"], {"images": images})
        return anomaly_map, score

    @torch.inference_mode()
    def torch(self, images: NDArray[np.uint8]) -> Answer:
        anomaly_map, score = ImagesToAnswer(self.model)(torch.from_numpy(images))
        return anomaly_map.numpy(), score.numpy()


def a_model(config: InpFormerConfig) -> InpFormer:
    """Random weights, none of which is without a part: LayerScale, norms and biases vary."""
    torch.manual_seed(0)
    model = InpFormer(config)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            low, high = (-0.1, 0.1) if name.endswith("bias") else (0.3, 1.3)
            nn.init.uniform_(parameter, low, high)
    if isinstance(model.encoder, Lite0Encoder):
        standardise(model, model.encoder)
    return model.eval()


@torch.no_grad()
def standardise(model: InpFormer, encoder: Lite0Encoder) -> None:
    """Give the encoder statistics, without which random weights' tokens all look one way."""
    images = torch.from_numpy(pictures(3, model.input_size[0])).permute(0, 3, 1, 2).float() / 255
    outputs = torch.cat(list(encoder.pooled(model.normalize(images))), dim=1)
    encoder.mean.copy_(outputs.mean((0, 2, 3)))
    encoder.std.copy_(outputs.std((0, 2, 3)))


def exported(config: InpFormerConfig, path: Path) -> Exported:
    model = a_model(config)
    write_graph(model, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return Exported(model, path, session)


def pictures(count: int, side: int) -> NDArray[np.uint8]:
    """Noise of which each picture has its own coarseness, so that they answer differently."""
    rng = np.random.default_rng(0)
    images = np.empty((count, side, side, 3), np.uint8)
    for index in range(count):
        cell = 7 * (index + 1)
        cells = -(-side // cell)
        coarse = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        images[index] = coarse.repeat(cell, axis=0).repeat(cell, axis=1)[:side, :side]
    return images


def difference(one: Answer, other: Answer) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


@pytest.fixture(
    scope="module",
    params=[("official", "reconstruction"), ("anomalib", "zero_shot")],
    ids="-".join,
)
def thin(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Exported]:
    recipe, mode = request.param
    config = replace(THIN, recipe=recipe, mode=mode)
    yield exported(config, tmp_path_factory.mktemp("thin") / "model.onnx")


def assert_alike_alone_and_in_a_batch(of: Exported) -> None:
    images = pictures(3, of.model.input_size[0])
    together = of.run(images)
    assert difference(together, of.torch(images)) < TOLERANCE
    for index in range(3):
        alone = of.run(images[index : index + 1])
        assert difference(alone, (together[0][[index]], together[1][[index]])) < TOLERANCE
    assert together[0].shape == (3, *of.model.map_size)
    assert np.ptp(together[1]) > 10 * TOLERANCE, "answers that hardly differ show nothing"


def test_the_graph_answers_as_torch_does_alone_and_in_a_batch(thin: Exported) -> None:
    assert_alike_alone_and_in_a_batch(thin)


def test_each_layer_norm_is_one_operator(thin: Exported) -> None:
    runs = 0

    def count(*_: object) -> None:
        nonlocal runs
        runs += 1

    hooks = [
        module.register_forward_hook(count)
        for module in thin.model.modules()
        if isinstance(module, nn.LayerNorm)
    ]
    thin.torch(pictures(1, 70))
    for hook in hooks:
        hook.remove()
    operators = [node.op_type for node in onnx.load(thin.path).graph.node]
    assert operators.count("LayerNormalization") == runs


def test_onnx_runtime_runs_each_gelu_as_one_operator(thin: Exported, tmp_path: Path) -> None:
    written = [node.op_type for node in onnx.load(thin.path).graph.node]
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(thin.path), options, ["CPUExecutionProvider"])
    loaded = [node.op_type for node in onnx.load(tmp_path / "loaded.onnx").graph.node]
    assert loaded.count("Gelu") + loaded.count("BiasGelu") == written.count("Erf") > 0
    assert "Erf" not in loaded


def test_transposed_weights_keep_the_names_of_the_trained_ones(thin: Exported) -> None:
    stored = {tensor.name: tensor for tensor in onnx.load(thin.path).graph.initializer}
    weights = {
        f"model.{name}": parameter.detach().numpy()
        for name, parameter in thin.model.named_parameters()
        if name.endswith("fc2.weight") and name.startswith(("encoder", "extractor"))
    }
    assert len(weights) == 3
    for name, weight in weights.items():
        np.testing.assert_array_equal(numpy_helper.to_array(stored[name]), weight.T)


def test_the_graph_needs_nothing_but_the_standard_operators(thin: Exported) -> None:
    graph = onnx.load(thin.path)
    assert {node.domain for node in graph.graph.node} == {""}
    assert [(opset.domain, opset.version) for opset in graph.opset_import] == [("", 18)]
    assert not graph.functions


def test_only_the_maps_are_resized_in_the_graph(thin: Exported) -> None:
    operators = [node.op_type for node in onnx.load(thin.path).graph.node]
    expected = 2 if thin.model.config.recipe == "official" else 1
    assert operators.count("Resize") == expected


@pytest.mark.parametrize("mode", ["reconstruction", "zero_shot"])
def test_the_light_encoder_answers_as_torch_does_alone_and_in_a_batch(
    mode: Mode, tmp_path: Path
) -> None:
    config = replace(LIGHT, mode=mode)
    light = exported(config, tmp_path / "model.onnx")
    assert_alike_alone_and_in_a_batch(light)
    operators = {node.op_type for node in onnx.load(light.path).graph.node}
    assert not operators & {"If", "Loop", "Scan"}, "its paddings are to be constants"


@pytest.mark.slow
@pytest.mark.parametrize("dim", [384, 768, 1024], ids=["small", "base", "large"])
def test_a_whole_model_answers_as_torch_does_alone_and_in_a_batch(dim: int, tmp_path: Path) -> None:
    heads = dim // 64
    config = InpFormerConfig(embed_dim=dim, encoder_heads=heads, decoder_heads=heads)
    if config.variant == "large":
        config = replace(config, target_blocks=(4, 6, 8, 10, 12, 14, 16, 18))
    whole = exported(config, tmp_path / "model.onnx")
    assert_alike_alone_and_in_a_batch(whole)
