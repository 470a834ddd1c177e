"""Graphs that take float32: nothing is rounded on the way to them, whatever runs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.tiling import Tiling
from takt.core.domain import RawPicture
from takt.core.engines.base import Engine
from takt.core.engines.batches import batch_runner
from takt.core.engines.golden import measure_golden
from takt.core.engines.nvidia.cuda import GpuRunner
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.engines.openvino import OpenVinoEngine
from takt.core.errors import BundleError
from takt.core.inspection.offline import inspect_offline
from tests.conftest import SIDE, MakeBundle
from tests.unit.service.core.engines.nvidia.test_cuda import HostOnly


@pytest.fixture
def bundle(make_bundle: MakeBundle) -> Bundle:
    return make_bundle(input_type="float32")


def on_a_gpu(path: Path) -> Engine:
    """The runner of a GPU, with its memory on the host."""
    runner = GpuRunner(
        onnxruntime,
        HostOnly(),  # type: ignore[arg-type]
        lambda _: onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]),
        sizes=(1, 4),
        device_type="cpu",
    )
    return OnnxRuntimeEngine(runner, "gpu")


@pytest.mark.parametrize("open_engine", [OnnxRuntimeEngine.open, OpenVinoEngine.open, on_a_gpu])
def test_half_a_level_reaches_the_graph(bundle: Bundle, open_engine) -> None:
    engine = open_engine(bundle.model_path)
    levels = [np.full((SIDE, SIDE, 3), level, np.float32) for level in (100.5, 0.25, 254.75)]
    try:
        alone = [answer.score for picture in levels for answer in batch_runner(engine)([picture])]
        together = [answer.score for answer in batch_runner(engine)(levels)]
        engine.trim()
        drift = measure_golden(engine, bundle)
    finally:
        engine.close()

    assert alone == pytest.approx([100.5 / 255, 0.25 / 255, 254.75 / 255], rel=1e-6)
    assert together == alone
    assert drift.within(1e-6)


def test_a_runner_takes_batches_of_both_types_in_turn(bundle: Bundle) -> None:
    seen = []

    class Keeping(OnnxRuntimeEngine):
        def infer(self, images):
            seen.append(images.dtype)
            return super().infer(images.astype(np.float32))

    engine = Keeping.open(bundle.model_path)
    run = batch_runner(engine)
    for kind in (np.uint8, np.float32, np.uint8):
        run([np.zeros((SIDE, SIDE, 3), kind)] * 2)
    engine.close()

    assert seen == [np.uint8, np.float32, np.uint8]


def test_golden_inputs_of_another_type_than_the_manifest_s_are_refused(bundle: Bundle) -> None:
    manifest = bundle.path / "manifest.json"
    whole = bundle.manifest.preprocess.model_copy(update={"input": "uint8"})
    sealed = bundle.manifest.model_copy(update={"preprocess": whole})
    manifest.write_bytes(sealed.json_bytes())

    with pytest.raises(BundleError, match="images"):
        load_bundle(bundle.path)


@pytest.mark.parametrize("tiling", [None, Tiling(width=64, height=48, overlap=8, blend="max")])
def test_a_picture_s_score_is_that_of_its_unrounded_levels(
    make_bundle: MakeBundle, tiling: Tiling | None
) -> None:
    bundle = make_bundle(input_type="float32", tiling=tiling)
    picture = np.random.default_rng(3).integers(0, 256, (48, 64), dtype=np.uint8)
    engine = OnnxRuntimeEngine.open(bundle.model_path)

    inspected = inspect_offline(
        engine, RawPicture(picture.tobytes(), 64, 48, "mono8"), bundle.manifest, 10_000
    )

    engine.close()
    planes = torch.from_numpy(picture)[None, None].float() / 255
    trained = torch.nn.functional.interpolate(planes, (SIDE, SIDE), mode="bilinear", antialias=True)
    assert inspected.answer.score == pytest.approx(float(trained.max()), rel=1e-6)
