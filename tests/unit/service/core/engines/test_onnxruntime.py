from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from takt.core.bundles.bundle import Bundle
from takt.core.bundles.variant import Provider
from takt.core.engines import onnxruntime as module
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.engines.provider_options import PROVIDERS, GpuOptions
from takt.core.errors import BundleError, ConfigurationError, EngineError

MakeBundle = Callable[..., Bundle]


@pytest.fixture
def engine(bundle: Bundle) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine.open(bundle.model_path, threads=1)


class FakeRuntime(ModuleType):
    """An ONNX Runtime that has some providers and loads others; it notes what it is asked."""

    def __init__(self, available: list[str], loaded: list[str]) -> None:
        super().__init__("onnxruntime")
        self.__version__ = "1.31.1"
        self.cuda_version = "13.0"
        self.opened: list[tuple[str, list[Any]]] = []
        self.fails_with_graphs = False
        self.severity = 2
        runtime = self

        class Session:
            def __init__(
                self,
                model: str | bytes,
                options: object,
                *,
                providers: list[Any],
                enable_fallback: int,
            ) -> None:
                assert enable_fallback == 0
                if isinstance(model, str):
                    runtime.opened.append((model, providers))

            def get_providers(self) -> list[str]:
                return loaded

            def get_inputs(self) -> list[object]:
                return [SimpleNamespace(name="images", type="tensor(uint8)")]

            def get_outputs(self) -> list[object]:
                names = ("anomaly_map", "score")
                return [SimpleNamespace(name=name, type="tensor(float)") for name in names]

        class Options:
            def add_session_config_entry(self, key: str, value: str) -> None:
                pass

        self.get_available_providers = lambda: available
        self.InferenceSession = Session
        self.SessionOptions = Options

    def set_default_logger_severity(self, level: int) -> None:
        self.severity = level


class FakeRunner:
    """Opens a session as a GPU's runner does, and runs nothing."""

    made: ClassVar[list[FakeRunner]] = []

    def __init__(
        self,
        runtime: FakeRuntime,
        cuda: object,
        open_session: Callable[[int], object],
        *,
        sizes: tuple[int, ...],
        graphs: bool,
        device_id: int,
    ) -> None:
        open_session(4096)
        if graphs and runtime.fails_with_graphs:
            raise RuntimeError("a node is not on the GPU")
        self.sizes, self.graphs, self.device_id = sizes, graphs, device_id
        self.closed = False
        self.made.append(self)

    def trim(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def fake_runtime(
    monkeypatch: pytest.MonkeyPatch, *, available: list[str], loaded: list[str]
) -> FakeRuntime:
    runtime = FakeRuntime(available, loaded)
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    monkeypatch.setattr(module, "GpuRunner", FakeRunner)
    monkeypatch.setattr(module, "CudaRuntime", SimpleNamespace(open=lambda *_: None))
    FakeRunner.made.clear()
    return runtime


def gpu_runtime(monkeypatch: pytest.MonkeyPatch, provider: Provider) -> FakeRuntime:
    """A host that has the provider."""
    names = list(PROVIDERS[provider])
    return fake_runtime(monkeypatch, available=names, loaded=names)


def test_a_batch_answers_map_and_score(engine: OnnxRuntimeEngine, bundle: Bundle) -> None:
    output = engine.infer(bundle.golden.images)
    assert output.anomaly_map.shape == (3, 32, 32)
    assert output.anomaly_map.dtype == output.score.dtype == np.float32
    assert np.allclose(output.anomaly_map, bundle.golden.anomaly_map, atol=1e-6)
    assert np.allclose(output.score, bundle.golden.score, atol=1e-6)


def test_a_picture_answers_the_same_alone_and_in_a_batch(
    engine: OnnxRuntimeEngine, bundle: Bundle
) -> None:
    together = engine.infer(bundle.golden.images)
    alone = engine.infer(bundle.golden.images[1:2])
    assert np.array_equal(alone.anomaly_map[0], together.anomaly_map[1])


def test_what_runs_is_told(engine: OnnxRuntimeEngine) -> None:
    assert engine.description == "onnxruntime CPUExecutionProvider, 1 threads"


def test_a_failing_run_becomes_our_error(engine: OnnxRuntimeEngine) -> None:
    with pytest.raises(EngineError, match="the service's log says why"):
        engine.infer(np.zeros((1, 5, 5, 3), np.uint8))


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"no graph")
    with pytest.raises(BundleError, match="cannot be loaded"):
        OnnxRuntimeEngine.open(file)


def test_a_graph_with_another_signature_is_refused(tmp_path: Path) -> None:
    shape = ["N", 3, 8, 8]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "other",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), tmp_path / "m.onnx")
    with pytest.raises(BundleError, match="a bundle's graph takes 'images'"):
        OnnxRuntimeEngine.open(tmp_path / "m.onnx")


def test_a_provider_that_this_runtime_lacks_is_refused_with_the_way_out(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_runtime(monkeypatch, available=["CPUExecutionProvider"], loaded=[])
    with pytest.raises(ConfigurationError, match=r"no CUDAExecutionProvider; pip install"):
        OnnxRuntimeEngine.open(bundle.model_path, provider="cuda")


def test_a_silent_fall_back_to_the_cpu_is_noticed_before_the_model_is_loaded(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = fake_runtime(
        monkeypatch,
        available=["CUDAExecutionProvider", "CPUExecutionProvider"],
        loaded=["CPUExecutionProvider"],
    )
    with pytest.raises(
        ConfigurationError, match="CUDAExecutionProvider cannot be had on this host"
    ):
        OnnxRuntimeEngine.open(bundle.model_path, provider="cuda")
    assert runtime.opened == []


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_the_gpu_providers_come_in_order_on_the_device_and_the_runners_stream(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, provider: Provider
) -> None:
    runtime = gpu_runtime(monkeypatch, provider)
    engine = OnnxRuntimeEngine.open(bundle.model_path, provider=provider, device_id=1)
    ((model, providers),) = runtime.opened
    assert model == str(bundle.model_path)
    assert [name for name, _ in providers] == list(PROVIDERS[provider])
    assert providers[0][1]["device_id"] == "1"
    assert providers[0][1]["user_compute_stream"] == "4096"
    assert engine.description == (
        f"onnxruntime {PROVIDERS[provider][0]}, device 1, batches of 1, 2, 4, 8"
    )


def test_an_engine_on_a_gpu_is_not_shared_and_its_runner_is_closed(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    gpu_runtime(monkeypatch, "cuda")
    engine = OnnxRuntimeEngine.open(bundle.model_path, provider="cuda", threads=1)
    assert not engine.shareable
    engine.trim()
    engine.close()
    assert FakeRunner.made[0].closed


def test_cuda_graphs_are_captured_for_the_sizes_that_are_run(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    runtime = gpu_runtime(monkeypatch, "cuda")
    gpu = GpuOptions(batch_sizes=(1, 3), cuda_graphs=True)
    engine = OnnxRuntimeEngine.open(bundle.model_path, provider="cuda", gpu=gpu)
    assert (FakeRunner.made[0].sizes, FakeRunner.made[0].graphs) == ((1, 3), True)
    assert runtime.opened[0][1][0][1]["enable_cuda_graph"] == "1"
    assert engine.description.endswith("batches of 1, 3, CUDA graphs")


def test_a_model_that_cannot_be_captured_runs_without_graphs_and_says_so(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = gpu_runtime(monkeypatch, "cuda")
    runtime.fails_with_graphs = True
    gpu = GpuOptions(cuda_graphs=True)
    engine = OnnxRuntimeEngine.open(bundle.model_path, provider="cuda", gpu=gpu)
    assert "without CUDA graphs: a node is not on the GPU" in caplog.text
    assert "CUDA graphs" not in engine.description
    assert [runner.graphs for runner in FakeRunner.made] == [False]


@pytest.mark.parametrize(("sizes", "graphs"), [((1, 2), False), ((4,), True)])
def test_tensorrt_captures_a_graph_for_a_single_size_only(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle, sizes: tuple[int, ...], graphs: bool
) -> None:
    gpu_runtime(monkeypatch, "tensorrt")
    gpu = GpuOptions(batch_sizes=sizes, cuda_graphs=True)
    OnnxRuntimeEngine.open(bundle.model_path, provider="tensorrt", gpu=gpu)
    assert FakeRunner.made[0].graphs is graphs


def test_a_failure_of_the_gpu_becomes_our_error(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    gpu_runtime(monkeypatch, "cuda")

    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA failure 2: out of memory")

    monkeypatch.setattr(module, "GpuRunner", failing)
    with pytest.raises(EngineError, match="cannot be run on cuda: CUDA failure 2"):
        OnnxRuntimeEngine.open(bundle.model_path, provider="cuda")


def test_two_models_never_share_an_engine_of_the_cache(
    monkeypatch: pytest.MonkeyPatch, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    runtime = gpu_runtime(monkeypatch, "tensorrt")
    gpu = GpuOptions(engine_cache=tmp_path / "cache")
    for bundle in (make_bundle(), make_bundle(version="2", scale=0.5), make_bundle(version="3")):
        OnnxRuntimeEngine.open(bundle.model_path, provider="tensorrt", gpu=gpu)
    first, other, same = (
        providers[0][1]["trt_engine_cache_path"] for _, providers in runtime.opened
    )
    assert first == same != other
    assert {Path(first), Path(other)} == set((tmp_path / "cache").iterdir())


def test_without_graphs_the_same_engines_are_kept(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle, tmp_path: Path
) -> None:
    runtime = gpu_runtime(monkeypatch, "tensorrt")
    runtime.fails_with_graphs = True
    gpu = GpuOptions(batch_sizes=(1,), cuda_graphs=True, engine_cache=tmp_path)
    OnnxRuntimeEngine.open(bundle.model_path, provider="tensorrt", gpu=gpu)
    first, again = (providers[0][1]["trt_engine_cache_path"] for _, providers in runtime.opened)
    assert first == again


def test_an_engine_cache_that_cannot_be_made_is_told(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle, tmp_path: Path
) -> None:
    gpu_runtime(monkeypatch, "tensorrt")
    file = tmp_path / "file"
    file.touch()
    gpu = GpuOptions(engine_cache=file)
    with pytest.raises(ConfigurationError, match="set engine_cache to a folder"):
        OnnxRuntimeEngine.open(bundle.model_path, provider="tensorrt", gpu=gpu)


def test_a_missing_runtime_is_told_with_the_way_out(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'onnxruntime>=1.20'"):
        OnnxRuntimeEngine.open(bundle.model_path)


def test_trimming_changes_no_answer(engine: OnnxRuntimeEngine, bundle: Bundle) -> None:
    before = engine.infer(bundle.golden.images)
    engine.trim()
    after = engine.infer(bundle.golden.images)
    assert np.array_equal(before.anomaly_map, after.anomaly_map)
    assert np.array_equal(before.score, after.score)


@pytest.mark.parametrize(("threads", "shareable"), [(1, True), (2, False), (0, False)])
def test_only_an_engine_of_one_thread_can_be_shared(
    bundle: Bundle, threads: int, shareable: bool
) -> None:
    assert OnnxRuntimeEngine.open(bundle.model_path, threads=threads).shareable is shareable
