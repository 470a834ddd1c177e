"""Probes that load and run the runtimes and drivers, each in a process of its own.

A probe lets the exceptions of its library through: `child.py` makes one line of them.
"""

from __future__ import annotations

import base64
import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from takt.commands.doctor.facts import (
    DecodingFacts,
    DeviceFacts,
    Gpu,
    GpuFacts,
    LibrariesFacts,
    LibraryFacts,
    OnnxRuntimeFacts,
    OpenVinoFacts,
    ProviderFacts,
)
from takt.core.distribution import installed_version
from takt.core.engines.nvidia.libraries import (
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

Only a convolution loads cuDNN: CUDA's provider opens without it.
"""
_SUM = 9.0


@dataclass(frozen=True, slots=True)
class ProviderTrial:
    """Providers that ran a session opened for one of them, and whether the result was right."""

    running: tuple[str, ...]
    right: bool


def onnxruntime_build() -> OnnxRuntimeFacts:
    """Facts of the ONNX Runtime that is imported; its providers are not tried."""
    import onnxruntime

    from takt.core.engines.provider_check import cuda_major
    from takt.core.engines.provider_options import PROVIDERS

    has_cuda = bool(getattr(onnxruntime, "cuda_version", None))
    listed = tuple(onnxruntime.get_available_providers())
    return OnnxRuntimeFacts(
        packages=(),
        version=onnxruntime.__version__,
        cuda_major=cuda_major(onnxruntime) if has_cuda else None,
        listed=listed,
        providers=tuple(
            ProviderFacts(provider, names[0], names[0] in listed)
            for provider, names in PROVIDERS.items()
        ),
    )


def onnxruntime_provider(provider: str) -> ProviderTrial:
    """Runs a convolution on a provider as an engine does, and asks the session who ran it."""
    import numpy as np
    import onnxruntime

    from takt.core.engines.provider_check import libraries
    from takt.core.engines.provider_options import PROVIDERS, provider_options

    wanted = next(choice for choice in PROVIDERS if choice == provider)
    if wanted != "cpu":
        preload(libraries(onnxruntime, wanted))
    # Its fallback would open the session anew on the CPU, and print that instead of raising.
    session = onnxruntime.InferenceSession(
        CONVOLUTION, providers=provider_options(wanted), enable_fallback=0
    )
    (sums,) = session.run(None, {"images": np.ones((1, 1, 3, 3), np.float32)})
    return ProviderTrial(tuple(session.get_providers()), _is_sum(sums))


def openvino_devices() -> OpenVinoFacts:
    """Facts of OpenVINO, whose CPU device runs a convolution."""
    import numpy as np
    import openvino

    core = openvino.Core()
    devices = tuple(_device(core, name) for name in core.available_devices)
    compiled = core.compile_model(core.read_model(CONVOLUTION), "CPU")
    sums = compiled({"images": np.ones((1, 1, 3, 3), np.float32)})[0]
    version = str(openvino.__version__).partition("-")[0]
    return OpenVinoFacts(version, devices, _is_sum(sums))


def nvml_gpus() -> GpuFacts:
    """Facts of the GPUs by NVML, the driver's management library."""
    import pynvml

    pynvml.nvmlInit()
    try:
        count = pynvml.nvmlDeviceGetCount()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        return GpuFacts(
            source="NVML",
            driver=_text(pynvml.nvmlSystemGetDriverVersion()),
            cuda=_thousands(pynvml.nvmlSystemGetCudaDriverVersion()),
            gpus=tuple(_gpu(pynvml, handle) for handle in handles),
        )
    finally:
        pynvml.nvmlShutdown()


def nvidia_libraries(cuda_major: str) -> LibrariesFacts:
    """Loads NVIDIA's libraries, each after those that it needs, and asks for their versions."""
    return libraries_facts(int(cuda_major), _load)


def libraries_facts(
    cuda_major: int, load: Callable[[NvidiaLibrary], tuple[str | None, str]]
) -> LibrariesFacts:
    """Facts of all libraries that ONNX Runtime loads.

    Args:
        cuda_major: major version of CUDA that ONNX Runtime was built with.
        load: loads a library; its version if it tells one, and why it does not load.
    """

    def facts(library: NvidiaLibrary) -> LibraryFacts:
        version, reason = load(library)
        wheel = installed_version(library.package) if library.package else None
        return LibraryFacts(
            name=library.name,
            soname=library.soname,
            package=library.package,
            wheel=wheel,
            version=None if reason else version or wheel,
            loads=not reason,
            reason=reason,
        )

    return LibrariesFacts(
        cuda=tuple(map(facts, (driver_library(), *cuda_libraries(cuda_major)))),
        tensorrt=tuple(map(facts, tensorrt_libraries(cuda_major))),
    )


def opencv_build() -> DecodingFacts:
    """Facts of OpenCV and its JPEG decoder."""
    import cv2

    lines = cv2.getBuildInformation().splitlines()
    jpeg = next((line for line in lines if line.strip().startswith("JPEG:")), "")
    return DecodingFacts(cv2.__version__, jpeg.partition(":")[2].strip())


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
    """Text of NVML, which answers bytes in releases before 11.5."""
    return value.decode() if isinstance(value, bytes) else value


def _load(library: NvidiaLibrary) -> tuple[str | None, str]:
    try:
        loaded = load_library(library)
    except OSError as error:
        return None, str(error)
    return _version_of(library, loaded), ""


def _version_of(library: NvidiaLibrary, loaded: ctypes.CDLL) -> str | None:
    stem = library.soname.partition(".")[0]
    read = _VERSIONS.get(stem)
    try:
        return read(loaded) if read else None
    except (AttributeError, ValueError):
        return None


def _numbers(function: Any, *given: int, count: int = 1) -> tuple[int, ...]:
    """What a function of C writes to the places that it is given last."""
    numbers = [ctypes.c_int() for _ in range(count)]
    function(*given, *map(ctypes.byref, numbers))
    return tuple(number.value for number in numbers)


def _two_numbers(function: Any) -> str:
    return ".".join(map(str, _numbers(function, count=2)))


def _properties(function: Any) -> str:
    """Version whose major, minor and patch are properties 0, 1 and 2."""
    return ".".join(str(_numbers(function, kind)[0]) for kind in range(3))


def _tensorrt(loaded: ctypes.CDLL) -> str:
    number = int(loaded.getInferLibVersion())
    return f"{number // 10_000}.{number // 100 % 100}.{number % 100}"


def _thousands(number: int) -> str:
    """Version that CUDA writes as one number: 13010 is 13.1."""
    return f"{number // 1000}.{number % 1000 // 10}"


_VERSIONS: dict[str, Callable[[Any], str]] = {
    "libcuda": lambda loaded: _thousands(*_numbers(loaded.cuDriverGetVersion)),
    "libcudart": lambda loaded: _thousands(*_numbers(loaded.cudaRuntimeGetVersion)),
    "libnvrtc": lambda loaded: _two_numbers(loaded.nvrtcVersion),
    "libnvJitLink": lambda loaded: _two_numbers(loaded.nvJitLinkVersion),
    "libcublasLt": lambda loaded: _properties(loaded.cublasLtGetProperty),
    "libcublas": lambda loaded: _properties(loaded.cublasGetProperty),
    "libcurand": lambda loaded: _properties(loaded.curandGetProperty),
    "libcufft": lambda loaded: _properties(loaded.cufftGetProperty),
    "libcudnn": lambda loaded: _properties(loaded.cudnnGetProperty),
    "libnvinfer": _tensorrt,
}
