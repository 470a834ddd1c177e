"""What to do about what is missing, each once."""

from __future__ import annotations

from service.engines.nvidia.libraries import CUDA_MAJOR, TENSORRT_MAJOR

CPU = "pip install 'takt[cpu]'"
GPU = "pip install 'takt[gpu]'"
OPENVINO = "pip install 'takt[openvino]'"
OPENCV = "pip install --force-reinstall opencv-python-headless"
NVML = "pip install nvidia-ml-py"
TO_GPU_BUILD = f"pip uninstall -y onnxruntime && {GPU}"
ONE_BUILD = "pip uninstall -y onnxruntime onnxruntime-gpu, then pip install one of them again"
CONTAINER = "put one in; a container must be started with --gpus all"
REINSTALL_ONNXRUNTIME = "pip install --force-reinstall onnxruntime"
ONNXRUNTIME_DEBUG = "python -c 'import onnxruntime; onnxruntime.print_debug_info()' tells more"

_DRIVERS = {12: "525", 13: "580"}


def tensorrt(cuda_major: int = CUDA_MAJOR) -> str:
    """The major version that ONNX Runtime is linked to: PyPI's newest is another."""
    return f"pip install 'tensorrt-cu{cuda_major}>={TENSORRT_MAJOR},<{TENSORRT_MAJOR + 1}'"


def driver(cuda_major: int = CUDA_MAJOR) -> str:
    """A driver that is new enough."""
    release = _DRIVERS.get(cuda_major)
    which = f"release {release} or later" if release else f"a release for CUDA {cuda_major}"
    return f"install NVIDIA's driver, {which}; a container must be started with --gpus all"
