"""Reads what a TensorRT engine is bound to on this host: the GPU, its driver and TensorRT."""

from __future__ import annotations

import contextlib
from typing import Any

from takt.core.distribution import import_installed
from takt.core.engines.nvidia.cudart import CudaRuntime
from takt.core.engines.nvidia.libraries import CUDA_MAJOR, load_library, tensorrt_libraries
from takt.core.errors import ConfigurationError, TaktError


def read_gpu(device_id: int = 0, cuda_major: int = CUDA_MAJOR) -> dict[str, str]:
    """The `Variant.built_for` of an engine that is built here.

    Args:
        device_id: the GPU, as CUDA counts them.
        cuda_major: major version of the CUDA that ONNX Runtime was built with.

    Returns:
        Values of gpu, compute_capability, driver and tensorrt; the last is empty without TensorRT.

    Raises:
        ConfigurationError: there is no such GPU, or nvidia-ml-py is not installed.
    """
    try:
        bus_id = CudaRuntime.open(cuda_major, device_id).bus_id()
    except TaktError as error:
        raise ConfigurationError(f"this host has no GPU {device_id}: {error}") from None
    return _of_driver(bus_id) | {"tensorrt": tensorrt_version(cuda_major)}


def tensorrt_version(cuda_major: int = CUDA_MAJOR) -> str:
    """Version of TensorRT, such as 10.13.3; empty if it cannot be loaded."""
    try:
        number = int(load_library(tensorrt_libraries(cuda_major)[0]).getInferLibVersion())
    except (OSError, AttributeError):
        return ""
    return f"{number // 10_000}.{number // 100 % 100}.{number % 100}"


def _of_driver(bus_id: str) -> dict[str, str]:
    called = "nvidia-ml-py, which tells GPUs apart,"
    nvml: Any = import_installed("pynvml", called, "nvidia-ml-py")
    with contextlib.ExitStack() as held:
        try:
            nvml.nvmlInit()
            held.callback(nvml.nvmlShutdown)
            device = nvml.nvmlDeviceGetHandleByPciBusId(bus_id)
            major, minor = nvml.nvmlDeviceGetCudaComputeCapability(device)
            return {
                "gpu": str(nvml.nvmlDeviceGetName(device)),
                "compute_capability": f"{major}.{minor}",
                "driver": str(nvml.nvmlSystemGetDriverVersion()),
            }
        except nvml.NVMLError as error:
            raise ConfigurationError(f"NVIDIA's driver does not answer: {error}") from None
