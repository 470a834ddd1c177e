"""Needs an NVIDIA GPU and onnxruntime-gpu: `pytest -m gpu tests/gpu`. Not yet run on one."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from service.bundle import load_bundle
from service.engines.golden import check_golden
from service.engines.onnxruntime import OnnxRuntimeEngine
from service.variant import Provider

pytestmark = pytest.mark.gpu

BUNDLE = Path(__file__).parents[2] / "examples" / "models" / "pitting" / "1"


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_gpu_answers_the_golden_inputs_like_torch(provider: Provider) -> None:
    bundle = load_bundle(BUNDLE)
    with closing(OnnxRuntimeEngine.open(bundle.model_path, provider=provider)) as engine:
        check_golden(engine, bundle)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_picture_answers_the_same_alone_and_in_a_batch_on_a_gpu(provider: Provider) -> None:
    bundle = load_bundle(BUNDLE)
    with closing(OnnxRuntimeEngine.open(bundle.model_path, provider=provider)) as engine:
        together = engine.infer(bundle.golden.images)
        alone = engine.infer(bundle.golden.images[1:2])
    assert np.allclose(alone.anomaly_map[0], together.anomaly_map[1], atol=1e-4)
    assert np.allclose(alone.score[0], together.score[1], atol=1e-4)
