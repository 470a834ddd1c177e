from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from takt.core.engines.nvidia import gpu as gpu_host
from takt.core.engines.nvidia.gpu import read_gpu, tensorrt_version
from takt.core.errors import ConfigurationError, EngineError


class Nvml(ModuleType):
    """Stands in for nvidia-ml-py on a host with one GPU."""

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.open = 0
        self.fail = False

    def nvmlInit(self) -> None:
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetHandleByPciBusId(self, bus_id: str) -> str:
        if self.fail:
            raise self.NVMLError("Driver/library version mismatch")
        return bus_id

    def nvmlDeviceGetCudaComputeCapability(self, device: str) -> tuple[int, int]:
        return 8, 9

    def nvmlDeviceGetName(self, device: str) -> str:
        return f"NVIDIA L4 at {device}"

    def nvmlSystemGetDriverVersion(self) -> str:
        return "580.65.06"


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Nvml:
    nvml = Nvml()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(
        gpu_host,
        "CudaRuntime",
        SimpleNamespace(open=lambda *_: SimpleNamespace(bus_id=lambda: "0000:01:00.0")),
    )
    library = SimpleNamespace(getInferLibVersion=lambda: 101303)
    monkeypatch.setattr(gpu_host, "load_library", lambda _: library)
    return nvml


def test_a_gpu_is_told_with_its_driver_and_tensorrt(nvml: Nvml) -> None:
    assert read_gpu(0) == {
        "gpu": "NVIDIA L4 at 0000:01:00.0",
        "compute_capability": "8.9",
        "driver": "580.65.06",
        "tensorrt": "10.13.3",
    }
    assert nvml.open == 0


def test_a_driver_that_does_not_answer_is_told_and_left(nvml: Nvml) -> None:
    nvml.fail = True
    with pytest.raises(ConfigurationError, match="does not answer: Driver/library version"):
        read_gpu(0)
    assert nvml.open == 0


def test_a_missing_binding_is_told_with_the_way_out(
    nvml: Nvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'nvidia-ml-py>=12\.535'"):
        read_gpu(0)


def test_a_host_without_that_gpu_is_told(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_device() -> str:
        raise EngineError("CUDA failed in cudaDeviceGetPCIBusId: invalid device ordinal")

    cuda = SimpleNamespace(open=lambda *_: SimpleNamespace(bus_id=no_device))
    monkeypatch.setattr(gpu_host, "CudaRuntime", cuda)
    with pytest.raises(ConfigurationError, match=r"no GPU 3: .*invalid device ordinal"):
        read_gpu(3)


def test_a_host_without_tensorrt_has_no_version_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(library: object) -> None:
        raise OSError("libnvinfer.so.10: cannot open shared object file")

    monkeypatch.setattr(gpu_host, "load_library", missing)
    assert tensorrt_version() == ""
