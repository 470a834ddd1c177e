"""The probes, on the libraries that are here and on stand-ins for those that are not."""

from __future__ import annotations

import ctypes
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from takt.commands.doctor import probes
from takt.commands.doctor.facts import (
    DeviceFacts,
    Gpu,
    GpuFacts,
    OpenVinoFacts,
    ProviderFacts,
)
from takt.core.engines.nvidia.libraries import NvidiaLibrary


def test_the_graph_that_is_run_is_a_convolution() -> None:
    model = onnx.load_from_string(probes.CONVOLUTION)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Conv"]


def test_the_cpu_really_runs_on_the_onnx_runtime_that_is_here() -> None:
    build = probes.onnxruntime_build()
    assert build.version == onnxruntime.__version__
    assert ProviderFacts("cpu", "CPUExecutionProvider", listed=True) in build.providers
    answer = probes.onnxruntime_provider("cpu")
    assert answer.running[0] == "CPUExecutionProvider"
    assert answer.right


def test_a_provider_that_fell_back_is_told_by_who_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    loaded: list[str] = []

    class Session:
        def __init__(self, graph: bytes, *, providers: list[Any], enable_fallback: int) -> None:
            assert enable_fallback == 0
            asked.extend(name for name, _ in providers)

        def run(self, outputs: None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [feeds["images"].sum(keepdims=True)]

        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

    runtime = ModuleType("onnxruntime")
    runtime.InferenceSession = Session  # type: ignore[attr-defined]
    runtime.cuda_version = "13.0"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    monkeypatch.setattr(
        probes, "preload", lambda libraries: loaded.extend(one.soname for one in libraries)
    )
    answer = probes.onnxruntime_provider("tensorrt")
    assert asked[0] == "TensorrtExecutionProvider"
    assert answer == probes.ProviderTrial(("CPUExecutionProvider",), right=True)
    assert {"libcudart.so.13", "libcudnn.so.9", "libnvinfer.so.10"} <= set(loaded)


@pytest.mark.parametrize(("value", "right"), [(9.0, True), (8.0, False)])
def test_openvino_tells_its_devices_and_whether_it_computes_rightly(
    monkeypatch: pytest.MonkeyPatch, value: float, right: bool
) -> None:
    properties = {"OPTIMIZATION_CAPABILITIES": ["BF16", "INT8"], "FULL_DEVICE_NAME": "EPYC"}

    class Core:
        available_devices = ("CPU",)

        def get_property(self, device: str, name: str) -> Any:
            return properties[name]

        def read_model(self, model: bytes) -> bytes:
            return model

        def compile_model(self, model: bytes, device: str) -> Any:
            return lambda feeds: [np.full((1, 1, 1, 1), value, np.float32)]

    module = ModuleType("openvino")
    module.Core = Core  # type: ignore[attr-defined]
    module.__version__ = "2026.4.1-22982-e213a"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "openvino", module)
    assert probes.openvino_devices() == OpenVinoFacts(
        "2026.4.1", (DeviceFacts("CPU", "EPYC", ("BF16", "INT8")),), right
    )


class FakeNvml(ModuleType):
    """NVML with one GPU."""

    class NVMLError(Exception):
        """As the real one is."""

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.open = 0
        self.instances = False

    def nvmlInit(self) -> None:
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlSystemGetDriverVersion(self) -> bytes:
        return b"580.95.05"

    def nvmlSystemGetCudaDriverVersion(self) -> int:
        return 13010

    def nvmlDeviceGetCount(self) -> int:
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, handle: int) -> str:
        return "NVIDIA L4"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        if self.instances:
            raise self.NVMLError("no permission")
        return SimpleNamespace(total=24 << 30)

    def nvmlDeviceGetCudaComputeCapability(self, handle: int) -> tuple[int, int]:
        if self.instances:
            raise self.NVMLError("no permission")
        return 8, 9


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    fake = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    return fake


def test_nvml_tells_driver_and_gpus_and_is_shut_down(nvml: FakeNvml) -> None:
    assert probes.nvml_gpus() == GpuFacts(
        "NVML", "580.95.05", "13.1", (Gpu("NVIDIA L4", 24 << 30, "8.9"),)
    )
    assert nvml.open == 0


def test_a_gpu_that_hides_its_memory_is_told_without(nvml: FakeNvml) -> None:
    nvml.instances = True
    assert probes.nvml_gpus().gpus == (Gpu("NVIDIA L4", None, None),)


def _write(pointer: Any, value: int) -> int:
    ctypes.cast(pointer, ctypes.POINTER(ctypes.c_int))[0] = value
    return 0


def test_each_library_tells_its_version_or_why_it_does_not_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = {
        "libcudart": SimpleNamespace(cudaRuntimeGetVersion=lambda one: _write(one, 13000)),
        "libnvrtc": SimpleNamespace(
            nvrtcVersion=lambda major, minor: _write(major, 13) + _write(minor, 2)
        ),
        "libcudnn": SimpleNamespace(
            cudnnGetProperty=lambda kind, one: _write(one, (9, 27, 1)[kind])
        ),
        "libnvinfer": SimpleNamespace(getInferLibVersion=lambda: 101601),
        "libcufft": SimpleNamespace(),
        "libnvonnxparser": SimpleNamespace(),
    }

    def load(library: NvidiaLibrary) -> Any:
        try:
            return loaded[library.soname.partition(".")[0]]
        except KeyError:
            raise OSError(f"{library.soname}: cannot open shared object file") from None

    monkeypatch.setattr(probes, "load_library", load)
    monkeypatch.setattr(probes, "installed_version", lambda package: None)
    found = probes.nvidia_libraries("13")
    told = {one.soname: one for one in (*found.cuda, *found.tensorrt)}
    assert told["libcudart.so.13"].version == "13.0"
    assert told["libnvrtc.so.13"].version == "13.2"
    assert told["libcudnn.so.9"].version == "9.27.1"
    assert told["libnvinfer.so.10"].version == "10.16.1"
    assert (told["libcufft.so.12"].version, told["libcufft.so.12"].reason) == (None, "")
    assert (told["libnvonnxparser.so.10"].version) is None
    assert told["libcuda.so.1"].reason == "libcuda.so.1: cannot open shared object file"


def test_opencv_tells_its_jpeg_decoder() -> None:
    answer = probes.opencv_build()
    assert answer.opencv and answer.opencv[0].isdigit()
    assert "jpeg" in answer.jpeg.lower()
