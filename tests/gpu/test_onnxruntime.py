"""Needs an NVIDIA GPU and onnxruntime-gpu: `pytest -m gpu tests/gpu`. Not yet run on one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest

from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.variant import Provider
from takt.core.engines.golden import check_golden
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.engines.provider_options import PROVIDERS, GpuOptions

pytestmark = pytest.mark.gpu

BUNDLE = Path(__file__).parents[2] / "examples" / "models" / "pitting" / "1"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(BUNDLE)


def open_engine(
    bundle: Bundle, provider: Provider, sizes: tuple[int, ...] = (1, 2, 4), graphs: bool = False
) -> OnnxRuntimeEngine:
    gpu = GpuOptions(batch_sizes=sizes, cuda_graphs=graphs)
    return OnnxRuntimeEngine.open(bundle.model_path, provider=provider, gpu=gpu)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_gpu_answers_the_golden_inputs_like_torch(bundle: Bundle, provider: Provider) -> None:
    with closing(open_engine(bundle, provider)) as engine:
        check_golden(engine, bundle)
        assert engine.description.startswith(f"onnxruntime {PROVIDERS[provider][0]}")


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_picture_answers_the_same_alone_and_in_a_batch_on_a_gpu(
    bundle: Bundle, provider: Provider
) -> None:
    with closing(open_engine(bundle, provider)) as engine:
        together = engine.infer(bundle.golden.images)
        alone = engine.infer(bundle.golden.images[1:2])
    assert np.allclose(alone.anomaly_map[0], together.anomaly_map[1], atol=1e-4)
    assert np.allclose(alone.score[0], together.score[1], atol=1e-4)


def test_cuda_graphs_are_captured_for_every_size_and_change_no_answer(bundle: Bundle) -> None:
    with (
        closing(open_engine(bundle, "cuda", graphs=True)) as captured,
        closing(open_engine(bundle, "cuda")) as plain,
    ):
        assert captured.description.endswith("CUDA graphs")
        for count in (3, 1, 2, 3, 1):
            images = bundle.golden.images[:count]
            found, expected = captured.infer(images), plain.infer(images)
            assert np.allclose(found.anomaly_map, expected.anomaly_map, atol=1e-5)
            assert np.allclose(found.score, expected.score, atol=1e-5)


def test_tensorrt_captures_a_graph_of_its_single_size(bundle: Bundle) -> None:
    with closing(open_engine(bundle, "tensorrt", (1,), graphs=True)) as engine:
        assert engine.description.endswith("CUDA graphs")
        check_golden(engine, bundle)
        check_golden(engine, bundle)


@pytest.mark.parametrize("graphs", [False, True])
def test_several_instances_answer_at_once_from_any_thread(bundle: Bundle, graphs: bool) -> None:
    golden = bundle.golden
    with ExitStack() as held:
        engines = [
            held.enter_context(closing(open_engine(bundle, "cuda", graphs=graphs)))
            for _ in range(2)
        ]
        locks = [threading.Lock() for _ in engines]

        def ask(number: int) -> bool:
            which, picture = number % len(engines), number % len(golden.images)
            with locks[which]:
                output = engines[which].infer(golden.images[picture : picture + 1])
            return np.allclose(output.anomaly_map[0], golden.anomaly_map[picture], atol=1e-3)

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(ask, range(200)))
