"""What asks the runtimes and drivers themselves; each is run in a process of its own.

A probe raises whatever its library does: `service.commands.doctor.child` makes a line of it.
"""

from __future__ import annotations

import base64
import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from service.bundles.variant import Provider
from service.commands.doctor.facts import DeviceFacts, Gpu
from service.engines.nvidia.libraries import (
    NvidiaLibrary,
    cuda_libraries,
    driver_library,
    load_library,
    preload,
    tensorrt_libraries,
)

CONVOLUTION = base64.b64decode(
    "CAg6oQEKHAoGaW1hZ2VzCgZrZXJuZWwSBHN1bXMiBENvbnYSBXByb2JlKjgIAQgBCAMIAxABIiQAAIA/AACAPwAAgD8A"
    "AIA/AACAPwAAgD8AAIA/AACAPwAAgD9CBmtlcm5lbFogCgZpbWFnZXMSFgoUCAESEAoCCAEKAggBCgIIAwoCCANiHgoE"
    "c3VtcxIWChQIARIQCgIIAQoCCAEKAggBCgIIAUIECgAQEQ=="
)
"""An ONNX graph: `images`, float32 [1,1,3,3], to `sums`, float32 [1,1,1,1], by a kernel of ones.

A convolution, since it is what loads cuDNN: CUDA's provider opens without.
"""
_SUM = 9.0


@dataclass(frozen=True, slots=True)
class Choice:
    """A provider that Takt can choose, and ONNX Runtime's name for it."""

    provider: Provider
    name: str


@dataclass(frozen=True, slots=True)
class BuildAnswer:
    """ONNX Runtime: its version, the CUDA of its build (None for CPUs), all its providers."""

    version: str
    cuda_major: int | None
    listed: tuple[str, ...]
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """Who ran a session that was opened for a provider, and whether rightly."""

    running: tuple[str, ...]
    right: bool


@dataclass(frozen=True, slots=True)
class OpenVinoAnswer:
    """OpenVINO: its version, its devices, and whether the CPU ran the convolution rightly."""

    version: str
    devices: tuple[DeviceFacts, ...]
    right: bool


@dataclass(frozen=True, slots=True)
class GpuAnswer:
    """NVML: the driver, the CUDA that it serves, its GPUs."""

    driver: str
    cuda: str
    gpus: tuple[Gpu, ...]


@dataclass(frozen=True, slots=True)
class LibraryAnswer:
    """A library: its version if it tells; why it does not load, or empty."""

    soname: str
    version: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class LibrariesAnswer:
    """All of NVIDIA's that ONNX Runtime wants."""

    libraries: tuple[LibraryAnswer, ...]


@dataclass(frozen=True, slots=True)
class OpenCvAnswer:
    """OpenCV: its version, and what its build says of JPEG."""

    version: str
    jpeg: str


def onnxruntime_build() -> BuildAnswer:
    """Which ONNX Runtime this is."""
    import onnxruntime

    from service.engines.provider_check import cuda_major
    from service.engines.provider_options import PROVIDERS

    has_cuda = bool(getattr(onnxruntime, "cuda_version", None))
    return BuildAnswer(
        version=onnxruntime.__version__,
        cuda_major=cuda_major(onnxruntime) if has_cuda else None,
        listed=tuple(onnxruntime.get_available_providers()),
        choices=tuple(Choice(provider, names[0]) for provider, names in PROVIDERS.items()),
    )


def onnxruntime_provider(provider: str) -> ProviderAnswer:
    """Run a convolution on a provider as an engine would, and ask the session who ran it."""
    import numpy as np
    import onnxruntime

    from service.engines.provider_check import libraries
    from service.engines.provider_options import PROVIDERS, provider_options

    wanted = next(choice for choice in PROVIDERS if choice == provider)
    if wanted != "cpu":
        preload(libraries(onnxruntime, wanted))
    # Its fallback would open the session anew on the CPU, and print that instead of raising.
    session = onnxruntime.InferenceSession(
        CONVOLUTION, providers=provider_options(wanted), enable_fallback=0
    )
    (sums,) = session.run(None, {"images": np.ones((1, 1, 3, 3), np.float32)})
    return ProviderAnswer(tuple(session.get_providers()), _is_sum(sums))


def openvino_devices() -> OpenVinoAnswer:
    """Which devices OpenVINO has; run a convolution on the CPU."""
    import numpy as np
    import openvino

    core = openvino.Core()
    devices = tuple(_device(core, name) for name in core.available_devices)
    compiled = core.compile_model(core.read_model(CONVOLUTION), "CPU")
    sums = compiled({"images": np.ones((1, 1, 3, 3), np.float32)})[0]
    version = str(openvino.__version__).partition("-")[0]
    return OpenVinoAnswer(version, devices, _is_sum(sums))


def nvml_gpus() -> GpuAnswer:
    """What the driver's management library tells."""
    import pynvml

    pynvml.nvmlInit()
    try:
        count = pynvml.nvmlDeviceGetCount()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        return GpuAnswer(
            driver=_text(pynvml.nvmlSystemGetDriverVersion()),
            cuda=_thousands(pynvml.nvmlSystemGetCudaDriverVersion()),
            gpus=tuple(_gpu(pynvml, handle) for handle in handles),
        )
    finally:
        pynvml.nvmlShutdown()


def nvidia_libraries(cuda_major: str) -> LibrariesAnswer:
    """Load NVIDIA's libraries, each after what it needs itself, and ask for their versions."""
    major = int(cuda_major)
    wanted = (driver_library(), *cuda_libraries(major), *tensorrt_libraries(major))
    return LibrariesAnswer(tuple(_library(one) for one in wanted))


def opencv_build() -> OpenCvAnswer:
    """Which OpenCV this is, and which JPEG decoder it has."""
    import cv2

    lines = cv2.getBuildInformation().splitlines()
    jpeg = next((line for line in lines if line.strip().startswith("JPEG:")), "")
    return OpenCvAnswer(cv2.__version__, jpeg.partition(":")[2].strip())


def _is_sum(sums: Any) -> bool:
    return bool(abs(float(sums.reshape(-1)[0]) - _SUM) < 1e-3)


def _device(core: Any, name: str) -> DeviceFacts:
    capabilities = core.get_property(name, "OPTIMIZATION_CAPABILITIES")
    full_name = str(core.get_property(name, "FULL_DEVICE_NAME"))
    return DeviceFacts(name, full_name, tuple(str(one) for one in capabilities))


def _gpu(pynvml: Any, handle: Any) -> Gpu:
    # A GPU that is cut into instances tells its memory to administrators only.
    try:
        memory = int(pynvml.nvmlDeviceGetMemoryInfo(handle).total)
    except pynvml.NVMLError:
        memory = None
    try:
        major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
        capability = f"{major}.{minor}"
    except pynvml.NVMLError:
        capability = None
    return Gpu(_text(pynvml.nvmlDeviceGetName(handle)), memory, capability)


def _text(value: str | bytes) -> str:
    """Releases before 11.5 answer bytes."""
    return value.decode() if isinstance(value, bytes) else value


def _library(library: NvidiaLibrary) -> LibraryAnswer:
    try:
        loaded = load_library(library)
    except OSError as error:
        return LibraryAnswer(library.soname, None, str(error))
    return LibraryAnswer(library.soname, _version_of(library, loaded), "")


def _version_of(library: NvidiaLibrary, loaded: ctypes.CDLL) -> str | None:
    stem = library.soname.partition(".")[0]
    read = _VERSIONS.get(stem)
    try:
        return read(loaded) if read else None
    except (AttributeError, ValueError):
        return None


def _one_number(function: str) -> Callable[[ctypes.CDLL], str]:
    def read(loaded: ctypes.CDLL) -> str:
        number = ctypes.c_int()
        getattr(loaded, function)(ctypes.byref(number))
        return _thousands(number.value)

    return read


def _two_numbers(function: str) -> Callable[[ctypes.CDLL], str]:
    def read(loaded: ctypes.CDLL) -> str:
        major, minor = ctypes.c_int(), ctypes.c_int()
        getattr(loaded, function)(ctypes.byref(major), ctypes.byref(minor))
        return f"{major.value}.{minor.value}"

    return read


def _properties(function: str) -> Callable[[ctypes.CDLL], str]:
    """Major, minor and patch are properties 0, 1 and 2."""

    def read(loaded: ctypes.CDLL) -> str:
        parts = []
        for kind in range(3):
            number = ctypes.c_int()
            getattr(loaded, function)(kind, ctypes.byref(number))
            parts.append(str(number.value))
        return ".".join(parts)

    return read


def _tensorrt(loaded: ctypes.CDLL) -> str:
    number = int(loaded.getInferLibVersion())
    return f"{number // 10_000}.{number // 100 % 100}.{number % 100}"


def _thousands(number: int) -> str:
    """CUDA's way to write 13.1: 13010."""
    return f"{number // 1000}.{number % 1000 // 10}"


_VERSIONS: dict[str, Callable[[ctypes.CDLL], str]] = {
    "libcuda": _one_number("cuDriverGetVersion"),
    "libcudart": _one_number("cudaRuntimeGetVersion"),
    "libnvrtc": _two_numbers("nvrtcVersion"),
    "libnvJitLink": _two_numbers("nvJitLinkVersion"),
    "libcublasLt": _properties("cublasLtGetProperty"),
    "libcublas": _properties("cublasGetProperty"),
    "libcurand": _properties("curandGetProperty"),
    "libcufft": _properties("cufftGetProperty"),
    "libcudnn": _properties("cudnnGetProperty"),
    "libnvinfer": _tensorrt,
}
