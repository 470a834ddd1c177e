import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from service.bundle import Bundle
from service.engines.onnxruntime import OnnxRuntimeEngine
from service.errors import BundleError, ConfigurationError, EngineError


@pytest.fixture
def engine(bundle: Bundle) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine.open(bundle.model_path, threads=1)


def fake_runtime(
    monkeypatch: pytest.MonkeyPatch, *, available: list[str], loaded: list[str]
) -> list[Any]:
    """Put an ONNX Runtime in place that has these providers and loads those; its calls."""
    calls: list[Any] = []

    class Session:
        def __init__(self, path: str, options: object, providers: list[Any]) -> None:
            calls.append(providers)

        def get_providers(self) -> list[str]:
            return loaded

        def get_inputs(self) -> list[object]:
            return [SimpleNamespace(name="images", type="tensor(uint8)")]

        def get_outputs(self) -> list[object]:
            return [
                SimpleNamespace(name=name, type="tensor(float)")
                for name in ("anomaly_map", "score")
            ]

    class Options:
        def add_session_config_entry(self, key: str, value: str) -> None:
            pass

    class RunOptions:
        def add_run_config_entry(self, key: str, value: str) -> None:
            pass

    runtime = SimpleNamespace(
        get_available_providers=lambda: available,
        InferenceSession=Session,
        SessionOptions=Options,
        RunOptions=RunOptions,
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    return calls


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


def test_a_silent_fall_back_to_the_cpu_is_noticed(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_runtime(
        monkeypatch,
        available=["CUDAExecutionProvider", "CPUExecutionProvider"],
        loaded=["CPUExecutionProvider"],
    )
    with pytest.raises(ConfigurationError, match="fell back to CPUExecutionProvider"):
        OnnxRuntimeEngine.open(bundle.model_path, provider="cuda")


def test_the_gpu_providers_come_in_order_with_the_device_and_full_precision(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    calls = fake_runtime(monkeypatch, available=names, loaded=names)
    engine = OnnxRuntimeEngine.open(bundle.model_path, provider="tensorrt", device_id=1)
    (providers,) = calls
    assert [name for name, _ in providers] == names
    assert providers[0][1] == {"device_id": "1"}
    assert providers[1][1] == {"device_id": "1", "use_tf32": "0"}
    assert engine.description == "onnxruntime TensorrtExecutionProvider, device 1"


def test_a_missing_runtime_is_told_with_the_way_out(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigurationError, match="pip install onnxruntime"):
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


def test_an_engine_on_a_gpu_is_not_shared_and_keeps_its_memory(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    fake_runtime(monkeypatch, available=providers, loaded=providers)
    engine = OnnxRuntimeEngine.open(bundle.model_path, provider="cuda", threads=1)
    assert not engine.shareable
    engine.trim()  # runs nothing: the stand-in cannot
