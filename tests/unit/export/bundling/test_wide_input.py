"""An EfficientAD of an input that is no square: its bundle, engines, tiles, region of interest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.tiling import Tiling
from takt.core.engines.base import Engine
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.engines.openvino import OpenVinoEngine
from takt.core.pictures.roi import RoiShape
from takt_export.bundling.checkpoint_source import CheckpointSource
from takt_export.bundling.export_bundle import ExportOptions, export_bundle
from takt_export.pictures import look_at
from takt_export.variants.tensorrt_graph import cast_before_transpose
from takt_models.checkpoints.facts import Checkpoint, InputRecipe
from takt_models.efficientad.config import EfficientAdConfig
from takt_models.efficientad.detector import EfficientAd
from tests.unit.export.conftest import finish, thin_network

pytestmark = pytest.mark.torch

HEIGHT, WIDTH = 256, 288
RIGHT_HALF = RoiShape((((0.5, 0), (1, 0), (1, 1), (0.5, 1)),))


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = EfficientAd(EfficientAdConfig(width=WIDTH, height=HEIGHT, teacher_channels=16))
        model.teacher, model.student = thin_network(16), thin_network(32)
        recipe = InputRecipe(WIDTH, HEIGHT, "area")
        return Checkpoint(finish(model), framework="takt", recipe=recipe, seen=("0" * 16,))


@pytest.fixture(scope="module")
def good(pictures: Path) -> list[Path]:
    return sorted((pictures / "good").iterdir())


def exported(
    source: CheckpointSource, good: list[Path], path: Path, tiling: Tiling | None = None
) -> Bundle:
    options = ExportOptions(alpha=0.2, tiling=tiling)
    export_bundle(source, good, [], path, options, tell=lambda _: None, quiet=True)
    return load_bundle(path)


@pytest.fixture(scope="module")
def bundle(
    checkpoint: Checkpoint, good: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """A bundle with the right half of the picture as its region of interest."""
    path = tmp_path_factory.mktemp("wide") / "parts" / "1"
    return exported(CheckpointSource(checkpoint, RIGHT_HALF), good, path)


def test_the_bundle_has_the_models_shape(bundle: Bundle) -> None:
    assert bundle.manifest.preprocess.input_size == bundle.manifest.map_size == (HEIGHT, WIDTH)
    assert bundle.golden.images.shape[1:] == (HEIGHT, WIDTH, 3)


def open_onnxruntime(path: Path) -> Engine:
    return OnnxRuntimeEngine.open(path, threads=1)


def open_openvino(path: Path) -> Engine:
    return OpenVinoEngine.open(path)


def open_tensorrts_graph(path: Path) -> Engine:
    graph = onnx.load(path)
    assert cast_before_transpose(graph)
    changed = path.with_name("tensorrt.onnx")
    onnx.save_model(graph, changed)
    return OnnxRuntimeEngine.open(changed, threads=1)


@pytest.mark.parametrize("open_it", [open_onnxruntime, open_openvino, open_tensorrts_graph])
def test_every_engine_answers_a_wide_input_as_trained(
    bundle: Bundle, open_it: Callable[[Path], Engine]
) -> None:
    engine = open_it(bundle.path / "model.onnx")
    try:
        answer = engine.infer(bundle.golden.images)
    finally:
        engine.close()
    np.testing.assert_allclose(answer.anomaly_map, bundle.golden.anomaly_map, atol=1e-4)
    np.testing.assert_allclose(answer.score, bundle.golden.score, atol=1e-4)


def test_what_lies_outside_of_the_region_of_interest_never_counts(
    bundle: Bundle, checkpoint: Checkpoint
) -> None:
    outside = bundle.golden.anomaly_map[:, :, : WIDTH // 2]
    np.testing.assert_allclose(outside, checkpoint.model.lowest, rtol=1e-6)
    assert (bundle.golden.anomaly_map[:, :, WIDTH // 2 :] > checkpoint.model.lowest).any()


@pytest.mark.slow
def test_a_wide_input_sees_tiles(checkpoint: Checkpoint, good: list[Path], tmp_path: Path) -> None:
    tiling = Tiling(width=48, height=40, overlap=8, blend="linear")
    tiled = exported(CheckpointSource(checkpoint), good, tmp_path / "parts" / "1", tiling)
    engine = open_onnxruntime(tiled.path / "model.onnx")
    try:
        found = look_at(engine, good[0], tiled.manifest)
    finally:
        engine.close()
    assert np.isfinite(found.answer.anomaly_map).all()
