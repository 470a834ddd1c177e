"""NVIDIA's libraries that ONNX Runtime's GPU providers need, loaded from their wheels.

The wheels put them into folders that neither the system's loader nor ONNX Runtime searches. A
library that is loaded already is found by its name, so Takt loads them first.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CUDA_MAJOR = 13
"""CUDA of ONNX Runtime's GPU build on PyPI, for a build that does not state its own."""
TENSORRT_MAJOR = 10


@dataclass(frozen=True, slots=True)
class NvidiaLibrary:
    """One shared library.

    Attributes:
        name: for people.
        soname: for the loader.
        package: the wheel that contains it; empty for the driver's own.
    """

    name: str
    soname: str
    package: str


def driver_library() -> NvidiaLibrary:
    """CUDA's part of the driver, which never comes as a wheel."""
    return NvidiaLibrary("driver", "libcuda.so.1", "")


def cuda_libraries(cuda_major: int = CUDA_MAJOR) -> tuple[NvidiaLibrary, ...]:
    """Libraries that the CUDA provider needs, each after those that it depends on.

    Args:
        cuda_major: major version of the CUDA that ONNX Runtime was built with, 12 or later.
    """
    # From CUDA 13 on the wheels have no suffix; those with -cu13 are empty and deprecated.
    suffix = "" if cuda_major >= 13 else f"-cu{cuda_major}"
    fft = 12 if cuda_major >= 13 else 11
    return (
        NvidiaLibrary("CUDA runtime", f"libcudart.so.{cuda_major}", f"nvidia-cuda-runtime{suffix}"),
        NvidiaLibrary("NVRTC", f"libnvrtc.so.{cuda_major}", f"nvidia-cuda-nvrtc{suffix}"),
        NvidiaLibrary("nvJitLink", f"libnvJitLink.so.{cuda_major}", f"nvidia-nvjitlink{suffix}"),
        NvidiaLibrary("cuBLASLt", f"libcublasLt.so.{cuda_major}", f"nvidia-cublas{suffix}"),
        NvidiaLibrary("cuBLAS", f"libcublas.so.{cuda_major}", f"nvidia-cublas{suffix}"),
        NvidiaLibrary("cuRAND", "libcurand.so.10", f"nvidia-curand{suffix}"),
        NvidiaLibrary("cuFFT", f"libcufft.so.{fft}", f"nvidia-cufft{suffix}"),
        NvidiaLibrary("cuDNN", "libcudnn.so.9", f"nvidia-cudnn-cu{cuda_major}"),
    )


def tensorrt_libraries(cuda_major: int = CUDA_MAJOR) -> tuple[NvidiaLibrary, ...]:
    """Libraries that the TensorRT provider needs beside `cuda_libraries`."""
    package = f"tensorrt-cu{cuda_major}-libs"
    return tuple(
        NvidiaLibrary(name, f"{soname}.so.{TENSORRT_MAJOR}", package)
        for name, soname in (
            ("TensorRT", "libnvinfer"),
            ("TensorRT plugins", "libnvinfer_plugin"),
            ("TensorRT parser", "libnvonnxparser"),
        )
    )


def load_library(library: NvidiaLibrary) -> ctypes.CDLL:
    """Loads a library from its wheel, else from where the system finds it.

    Raises:
        OSError: the library, or one that it depends on, is missing.
    """
    return ctypes.CDLL(str(file_in_wheel(library) or library.soname))


def preload(libraries: Iterable[NvidiaLibrary]) -> None:
    """Loads the libraries that exist, so that ONNX Runtime finds them."""
    if not sys.platform.startswith("linux"):
        return
    for library in libraries:
        with contextlib.suppress(OSError):
            load_library(library)


def file_in_wheel(library: NvidiaLibrary) -> Path | None:
    """The library's file in its installed wheel, if any."""
    if not library.package:
        return None
    try:
        files = importlib.metadata.files(library.package)
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files or ():
        if file.name == library.soname:
            path = Path(str(file.locate()))
            return path if path.is_file() else None
    return None
