from __future__ import annotations

import ctypes
import importlib.metadata
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from takt.core.engines.nvidia import libraries as nvidia_libraries
from takt.core.engines.nvidia.libraries import (
    NvidiaLibrary,
    cuda_libraries,
    driver_library,
    file_in_wheel,
    load_library,
    preload,
    tensorrt_libraries,
)

CUDNN = NvidiaLibrary("cuDNN", "libcudnn.so.9", "nvidia-cudnn-cu13")


class File(PurePosixPath):
    """A file of a wheel, as `importlib.metadata` tells it."""

    wheel: Path

    def locate(self) -> Path:
        return File.wheel / str(self)


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the wheel of cuDNN, and no other, says that its library lies."""
    monkeypatch.setattr(File, "wheel", tmp_path, raising=False)

    def files(package: str) -> list[File]:
        if package != CUDNN.package:
            raise importlib.metadata.PackageNotFoundError(package)
        return [File("nvidia/cudnn/include/cudnn.h"), File("nvidia/cudnn/lib/libcudnn.so.9")]

    monkeypatch.setattr(importlib.metadata, "files", files)
    return tmp_path / "nvidia" / "cudnn" / "lib" / "libcudnn.so.9"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    paths: list[str] = []

    def cdll(path: str) -> Any:
        paths.append(path)
        if path.startswith("libmissing"):
            raise OSError(f"{path}: cannot open shared object file")
        return path

    monkeypatch.setattr(ctypes, "CDLL", cdll)
    return paths


def test_a_library_is_taken_from_its_wheel_first(wheel: Path, opened: list[str]) -> None:
    wheel.parent.mkdir(parents=True)
    wheel.touch()
    load_library(CUDNN)
    assert opened == [str(wheel)]


def test_a_wheel_that_lost_its_file_is_passed_over(wheel: Path, opened: list[str]) -> None:
    load_library(CUDNN)
    assert opened == ["libcudnn.so.9"]


@pytest.mark.usefixtures("wheel")
def test_without_a_wheel_the_system_is_asked(opened: list[str]) -> None:
    assert file_in_wheel(driver_library()) is None
    load_library(driver_library())
    load_library(cuda_libraries(13)[0])
    assert opened == ["libcuda.so.1", "libcudart.so.13"]


@pytest.mark.usefixtures("wheel")
def test_what_cannot_be_loaded_keeps_the_others_from_nothing(opened: list[str]) -> None:
    preload((NvidiaLibrary("missing", "libmissing.so", ""), driver_library()))
    assert opened == ["libmissing.so", "libcuda.so.1"]


def test_elsewhere_than_on_linux_nothing_is_loaded_ahead(
    opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    preload((driver_library(),))
    assert opened == []


@pytest.mark.parametrize(
    ("cuda_major", "runtime", "fft"),
    [(12, "nvidia-cuda-runtime-cu12", 11), (13, "nvidia-cuda-runtime", 12)],
)
def test_wheels_and_libraries_are_those_of_the_cuda_that_is_wanted(
    cuda_major: int, runtime: str, fft: int
) -> None:
    libraries = {one.name: one for one in cuda_libraries(cuda_major)}
    assert libraries["CUDA runtime"].package == runtime
    assert libraries["CUDA runtime"].soname == f"libcudart.so.{cuda_major}"
    assert libraries["cuFFT"].soname == f"libcufft.so.{fft}"
    assert libraries["cuDNN"].package == f"nvidia-cudnn-cu{cuda_major}"
    assert {one.soname.rpartition(".")[2] for one in tensorrt_libraries(cuda_major)} == {"10"}


def test_a_library_comes_after_what_it_needs_itself() -> None:
    names = [one.name for one in cuda_libraries()]
    assert names.index("cuBLASLt") < names.index("cuBLAS") < names.index("cuDNN")
    assert names.index("nvJitLink") < names.index("cuFFT")


def test_importing_loads_nothing() -> None:
    code = f"import {nvidia_libraries.__name__}, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "onnxruntime", "pydantic"} & set(loaded)
