"""Says how to get what is missing; each remedy stands here once."""

from __future__ import annotations

from takt.core.distribution import install_hint
from takt.core.engines.nvidia.libraries import CUDA_MAJOR, TENSORRT_MAJOR

ONE_BUILD = "pip uninstall -y onnxruntime onnxruntime-gpu, then pip install one of them again"
CONTAINER = "put a GPU in; a container must be started with --gpus all"
ONNXRUNTIME_DEBUG = "python -c 'import onnxruntime; onnxruntime.print_debug_info()' tells more"

_DRIVERS = {12: "525", 13: "580"}


def opencv() -> str:
    """Remedy for a broken OpenCV: installs it again."""
    return install_hint("opencv-python-headless", again=True)


def to_gpu_build() -> str:
    """Remedy that replaces ONNX Runtime's build for CPUs by the one for GPUs."""
    return f"pip uninstall -y onnxruntime && {install_hint('gpu')}"


def tensorrt(cuda_major: int = CUDA_MAJOR) -> str:
    """Remedy that installs the TensorRT that ONNX Runtime links to; PyPI's newest is another."""
    return install_hint(f"tensorrt-cu{cuda_major}>={TENSORRT_MAJOR},<{TENSORRT_MAJOR + 1}")


def driver(cuda_major: int = CUDA_MAJOR) -> str:
    """Remedy for a missing or old driver of NVIDIA's."""
    release = _DRIVERS.get(cuda_major)
    which = f"release {release} or later" if release else f"a release for CUDA {cuda_major}"
    return f"install NVIDIA's driver, {which}; a container must be started with --gpus all"
