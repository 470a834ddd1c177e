"""The graph of a PatchCore of anomalib's recipe: one bank in the file, and torch's answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.engines.openvino import OpenVinoEngine
from takt.core.pictures.roi import RoiShape
from takt_export.bundling.checkpoint_source import CheckpointSource
from takt_export.bundling.graph import ImagesToAnswer, write_graph
from takt_models.checkpoints.facts import Checkpoint, InputRecipe
from takt_models.patchcore.anomalib import bank as bank_module
from takt_models.patchcore.anomalib.config import JointPatchCoreConfig
from takt_models.patchcore.anomalib.detector import JointPatchCore

pytestmark = pytest.mark.torch

HEIGHT, WIDTH, BANK = 32, 48, 70
Open = Callable[[Path], OnnxRuntimeEngine | OpenVinoEngine]


@pytest.fixture(scope="module")
def model() -> JointPatchCore:
    """A model whose bank fills three shelves."""
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        patch.setattr(bank_module, "SHELF", 32)
        torch.manual_seed(5)
        config = JointPatchCoreConfig("test_resnet", (1, 2), BANK, WIDTH, HEIGHT, neighbors=4)
        made = JointPatchCore(config).eval()
        patches = made.embed(made.normalize(torch.rand(2, 3, HEIGHT, WIDTH))).flatten(0, 1)
        made.memory.fill(patches[torch.randperm(len(patches))[:BANK]])
    return made


@pytest.fixture(scope="module")
def graph(model: JointPatchCore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bank_module, "SHELF", 32)
        write_graph(model, path, input_type="float32")
    return path


def levels(count: int) -> NDArray[np.float32]:
    random = np.random.default_rng(1)
    return random.uniform(0, 255, (count, HEIGHT, WIDTH, 3)).astype(np.float32)


@pytest.mark.slow
def test_the_file_holds_the_bank_once(model: JointPatchCore, graph: Path) -> None:
    channels = model.memory.shelves[0].shape[1]
    stored = [list(tensor.dims) for tensor in onnx.load(graph).graph.initializer]
    matrices = [dims for dims in stored if len(dims) == 2 and channels in dims]
    assert matrices == [[32, channels], [32, channels], [6, channels]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "open_engine",
    [
        lambda path: OnnxRuntimeEngine.open(path, threads=1),
        lambda path: OpenVinoEngine.open(path, threads=1),
    ],
    ids=["onnxruntime", "openvino"],
)
def test_batches_of_any_size_answer_as_torch_does(
    model: JointPatchCore, graph: Path, open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank_module, "SHELF", 32)
    engine = open_engine(graph)
    try:
        for count in (1, 3):
            found = engine.infer(levels(count))
            with torch.inference_mode():
                anomaly_map, score = ImagesToAnswer(model)(torch.from_numpy(levels(count)))
            np.testing.assert_allclose(found.anomaly_map, anomaly_map.numpy(), rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(found.score, score.numpy(), rtol=1e-5)
    finally:
        engine.close()


def test_with_a_region_the_score_is_the_highest_value_inside_and_that_is_told(
    model: JointPatchCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank_module, "SHELF", 32)
    checkpoint = Checkpoint(model, "anomalib", InputRecipe(WIDTH, HEIGHT, "tensor_bilinear"))
    left = RoiShape(polygons=(((0, 0), (0.5, 0), (0.5, 1), (0, 1)),))
    part, whole = (CheckpointSource(checkpoint, roi) for roi in (left, None))
    seen, all_seen = part.answer(levels(2)), whole.answer(levels(2))
    inside = all_seen.anomaly_map[:, :, : WIDTH // 2]
    np.testing.assert_array_equal(seen.score, inside.max(axis=(1, 2)))
    assert part.facts.notes == ("region of interest: the score is the map's highest value inside",)
    assert whole.facts.notes == ()
