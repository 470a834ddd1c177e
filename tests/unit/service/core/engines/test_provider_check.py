from __future__ import annotations

from types import ModuleType
from typing import Any

import onnxruntime
import pytest

from takt.core.engines import provider_check
from takt.core.engines.nvidia.libraries import NvidiaLibrary
from takt.core.engines.provider_check import check_provider, cuda_major, first_line, libraries
from takt.core.errors import ConfigurationError

GPU = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]


class Runtime(ModuleType):
    """An ONNX Runtime that lists the GPU's providers; its session has others, or fails."""

    def __init__(self, running: list[str], error: Exception | None = None) -> None:
        super().__init__("onnxruntime")
        self.cuda_version = "13.0"
        self.asked: list[list[Any]] = []
        self.severities: list[int] = []
        runtime = self

        class Session:
            def __init__(
                self, model: bytes, options: object, *, providers: list[Any], enable_fallback: int
            ) -> None:
                assert enable_fallback == 0
                runtime.asked.append(providers)
                if error is not None:
                    raise error

            def get_providers(self) -> list[str]:
                return running

        class Options:
            log_severity_level = 2

        self.InferenceSession = Session
        self.SessionOptions = Options
        self.get_available_providers = lambda: GPU

    def set_default_logger_severity(self, level: int) -> None:
        self.severities.append(level)


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of libraries that were loaded; this host has all of them."""
    names: list[str] = []
    monkeypatch.setattr(provider_check, "load_library", lambda library: names.append(library.name))
    monkeypatch.setattr(
        provider_check, "preload", lambda libraries: names.extend(one.name for one in libraries)
    )
    return names


def test_the_real_runtime_has_the_cpu() -> None:
    check_provider(onnxruntime, "cpu")


def test_the_graph_that_asks_is_one_that_the_real_runtime_runs() -> None:
    assert provider_check._try(onnxruntime, [("CPUExecutionProvider", {})]) == (
        "CPUExecutionProvider",
        "ONNX Runtime fell back to CPUExecutionProvider",
    )


def test_a_provider_that_is_not_built_in_is_refused_before_anything_is_loaded(
    found: list[str],
) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime is the one for GPUs")
    with pytest.raises(ConfigurationError, match="no CUDAExecutionProvider; pip install"):
        check_provider(onnxruntime, "cuda")
    assert found == []


def test_a_provider_that_runs_is_let_through_with_its_libraries_loaded_first(
    found: list[str],
) -> None:
    runtime = Runtime(GPU)
    check_provider(runtime, "tensorrt", device_id=1)
    (providers,) = runtime.asked
    assert [name for name, _ in providers] == GPU
    assert providers[0][1] == {"device_id": "1", "trt_min_subgraph_size": "2"}
    assert found.index("cuDNN") < found.index("TensorRT")


def test_a_provider_that_is_listed_and_does_not_run_is_refused(found: list[str]) -> None:
    runtime = Runtime(["CPUExecutionProvider"])
    with pytest.raises(ConfigurationError) as refused:
        check_provider(runtime, "cuda")
    assert "CUDAExecutionProvider cannot be had on this host" in str(refused.value)
    assert "fell back to CPUExecutionProvider" in str(refused.value)
    assert "pip install" in str(refused.value)


def test_cuda_in_place_of_tensorrt_is_refused(found: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="fell back to CUDAExecutionProvider"):
        check_provider(Runtime(GPU[1:]), "tensorrt")


def test_a_library_that_is_missing_is_named_with_what_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(library: NvidiaLibrary) -> None:
        if library.name == "cuDNN":
            raise OSError("libcudnn.so.9: cannot open shared object file")

    monkeypatch.setattr(provider_check, "load_library", load)
    with pytest.raises(
        ConfigurationError, match=r"cuDNN is missing \(libcudnn.*\); pip install nvidia-cudnn-cu13"
    ):
        check_provider(Runtime(["CPUExecutionProvider"]), "cuda")


def test_a_host_without_nvidias_driver_is_told_that_no_package_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(library: NvidiaLibrary) -> None:
        raise OSError(f"{library.soname}: cannot open shared object file")

    monkeypatch.setattr(provider_check, "load_library", load)
    with pytest.raises(ConfigurationError, match=r"driver is missing \(libcuda") as refused:
        check_provider(Runtime(["CPUExecutionProvider"]), "tensorrt")
    assert "install NVIDIA's driver" in str(refused.value)
    assert "pip" not in str(refused.value)


def test_a_failing_driver_is_told_in_its_own_words_without_places_in_the_source(
    found: list[str],
) -> None:
    error = RuntimeError("/src/a.cc:7 void f(const Options&) CUDA failure 100: no device\nmore")
    with pytest.raises(ConfigurationError, match=r"on this host: CUDA failure 100: no device; pip"):
        check_provider(Runtime([], error), "cuda")


def test_what_the_runtime_would_write_meanwhile_is_kept_back_and_later_errors_are_not() -> None:
    runtime = Runtime(GPU)
    check_provider(runtime, "tensorrt")
    assert runtime.severities == [4, 3]


def test_the_first_line_of_an_error_without_words_is_its_kind() -> None:
    assert first_line(ValueError()) == "ValueError"


@pytest.mark.parametrize(("version", "major"), [("12.8", 12), ("13.0", 13), ("", 13)])
def test_the_cuda_that_is_wanted_is_the_one_that_the_runtime_was_built_with(
    version: str, major: int
) -> None:
    runtime = Runtime(GPU)
    runtime.cuda_version = version
    assert cuda_major(runtime) == major
    names = [library.soname for library in libraries(runtime, "cuda")]
    assert f"libcudart.so.{major}" in names
    assert "libnvinfer.so.10" not in names
