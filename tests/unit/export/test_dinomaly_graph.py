from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from takt_export.bundling.graph import ImagesToAnswer, write_graph
from takt_export.bundling.rewrite import rewritten
from takt_models.dinomaly.config import DinomalyConfig
from takt_models.dinomaly.detector import Dinomaly
from takt_models.dinov2.settings import TARGET_BLOCKS_OF_LARGE
from tests.unit.export.test_inpformer_graph import Answer, difference, pictures

pytestmark = pytest.mark.torch

TOLERANCE = 1e-5

THIN = DinomalyConfig(
    embed_dim=64,
    heads=2,
    target_blocks=(0, 1),
    decoder_depth=1,
    encoder_groups=((0,), (1,)),
    decoder_groups=((0,), (0,)),
    width=70,
    height=70,
    recipe="anomalib",
)


@dataclass(frozen=True)
class Exported:
    """A model and its graph, in ONNX Runtime too."""

    model: Dinomaly
    path: Path
    session: onnxruntime.InferenceSession

    def run(self, images: NDArray[np.uint8]) -> Answer:
        anomaly_map, score = self.session.run(["anomaly_map", "score"], {"images": images})
        return anomaly_map, score

    @torch.inference_mode()
    def torch(self, images: NDArray[np.uint8]) -> Answer:
        anomaly_map, score = ImagesToAnswer(self.model)(torch.from_numpy(images))
        return anomaly_map.numpy(), score.numpy()


def a_model(config: DinomalyConfig) -> Dinomaly:
    """Random weights, none of which is without a part: LayerScale, norms and biases vary."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Dinomaly(config)
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                low, high = (-0.1, 0.1) if name.endswith("bias") else (0.3, 1.3)
                nn.init.uniform_(parameter, low, high)
    return model.eval()


def exported(config: DinomalyConfig, path: Path) -> Exported:
    model = a_model(config)
    write_graph(model, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return Exported(model, path, session)


@pytest.fixture(scope="module")
def thin(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return exported(THIN, tmp_path_factory.mktemp("thin") / "model.onnx")


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


def test_the_graph_has_whole_norms_the_standard_operators_and_no_resized_positions(
    thin: Exported,
) -> None:
    graph = onnx.load(thin.path)
    operators = [node.op_type for node in graph.graph.node]
    norms = [one for one in thin.model.modules() if isinstance(one, nn.LayerNorm)]
    assert operators.count("LayerNormalization") == len(norms)
    assert operators.count("Resize") == 2, "the map alone is resized"
    assert not {"If", "Loop", "Scan"} & set(operators)
    assert {node.domain for node in graph.graph.node} == {""}
    assert [(opset.domain, opset.version) for opset in graph.opset_import] == [("", 18)]


@pytest.mark.parametrize("recipe", ["official", "anomalib"])
def test_a_rewritten_dinomaly_answers_as_trained(recipe: str) -> None:
    model = a_model(replace(THIN, recipe=recipe)).double()
    images = torch.from_numpy(pictures(2, 70)).permute(0, 3, 1, 2).double() / 255
    with torch.inference_mode():
        for found, expected in zip(rewritten(model)(images), model(images), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("dim", [384, 768, 1024], ids=["small", "base", "large"])
@pytest.mark.parametrize("recipe", ["official", "anomalib"])
def test_a_whole_model_answers_as_torch_does_alone_and_in_a_batch(
    dim: int, recipe: str, tmp_path: Path
) -> None:
    config = DinomalyConfig(embed_dim=dim, heads=dim // 64, mlp_bias=recipe == "official")
    config = replace(config, recipe=recipe)
    if config.variant == "large":
        config = replace(config, target_blocks=TARGET_BLOCKS_OF_LARGE)
    assert_alike_alone_and_in_a_batch(exported(config, tmp_path / "model.onnx"))
