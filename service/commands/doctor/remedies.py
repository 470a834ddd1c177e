"""What to do about what is missing, each once."""

from __future__ import annotations

from service.distribution import install_hint
from service.engines.nvidia.libraries import CUDA_MAJOR, TENSORRT_MAJOR

ONE_BUILD = "pip uninstall -y onnxruntime onnxruntime-gpu, then pip install one of them again"
CONTAINER = "put one in; a container must be started with --gpus all"
ONNXRUNTIME_DEBUG = "python -c 'import onnxruntime; onnxruntime.print_debug_info()' tells more"

_DRIVERS = {12: "525", 13: "580"}


def opencv() -> str:
    """OpenCV, installed once more."""
    return install_hint("opencv-python-headless", again=True)


def to_gpu_build() -> str:
    """ONNX Runtime's build for GPUs, instead of the one for CPUs."""
    return f"pip uninstall -y onnxruntime && {install_hint('gpu')}"


def tensorrt(cuda_major: int = CUDA_MAJOR) -> str:
    """The major version that ONNX Runtime is linked to: PyPI's newest is another."""
    return install_hint(f"tensorrt-cu{cuda_major}>={TENSORRT_MAJOR},<{TENSORRT_MAJOR + 1}")


def driver(cuda_major: int = CUDA_MAJOR) -> str:
    """A driver that is new enough."""
    release = _DRIVERS.get(cuda_major)
    which = f"release {release} or later" if release else f"a release for CUDA {cuda_major}"
    return f"install NVIDIA's driver, {which}; a container must be started with --gpus all"
