"""Checks that this host really has a provider of ONNX Runtime.

ONNX Runtime lists CUDA and TensorRT wherever its GPU build is installed, and silently falls back
to the CPU if their libraries cannot be loaded.
"""

from __future__ import annotations

from types import ModuleType

from takt.core.bundles.variant import Provider
from takt.core.distribution import import_installed, install_hint
from takt.core.engines.nvidia.libraries import (
    CUDA_MAJOR,
    NvidiaLibrary,
    cuda_libraries,
    driver_library,
    load_library,
    preload,
    tensorrt_libraries,
)
from takt.core.engines.provider_options import PROVIDERS, NamedOptions, provider_options
from takt.core.errors import ConfigurationError

_EXTRAS: dict[Provider, tuple[str, ...]] = {
    "cpu": ("cpu",),
    "cuda": ("gpu",),
    "tensorrt": ("gpu", "tensorrt"),
}
"""Extras that install each provider; ONNX Runtime for the CPU and for GPUs exclude each other."""

_IDENTITY = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12'
    b"\x04\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)
"""An ONNX graph of one node that does nothing."""

_DRIVER = "install NVIDIA's driver on a host with one of its GPUs"

_ERRORS, _FATAL = 3, 4
"""Levels of severity of ONNX Runtime."""


def import_runtime(provider: Provider = "cpu") -> ModuleType:
    """Imports the module `onnxruntime`.

    Args:
        provider: named in the hint what to install.

    Raises:
        ConfigurationError: it is not installed.
    """
    return import_installed("onnxruntime", "ONNX Runtime", *_EXTRAS[provider])


def check_provider(runtime: ModuleType, provider: Provider, device_id: int = 0) -> None:
    """Opens a session on a provider and asks the session what it runs on.

    Args:
        runtime: the module `onnxruntime`.
        provider: to check.
        device_id: the GPU.

    Raises:
        ConfigurationError: this host lacks the provider; the message says why and what to do.
    """
    wanted = PROVIDERS[provider][0]
    if wanted not in runtime.get_available_providers():
        raise ConfigurationError(
            f"this ONNX Runtime has no {wanted}; {_install(provider)}, or choose another engine"
        )
    if provider == "cpu":
        return
    preload(libraries(runtime, provider))
    running, reason = _try(
        runtime, _without_subgraphs(provider_options(provider, device_id=device_id))
    )
    if running != wanted:
        reason = _missing_library(runtime, provider) or f"{reason}; {_install(provider)}"
        raise ConfigurationError(
            f"{wanted} cannot be had on this host: {reason}, or choose another engine"
        )


def _install(provider: Provider) -> str:
    return install_hint(*_EXTRAS[provider])


def cuda_major(runtime: ModuleType) -> int:
    """Major version of the CUDA that this ONNX Runtime was built with."""
    found = str(getattr(runtime, "cuda_version", "")).partition(".")[0]
    return int(found) if found.isdigit() else CUDA_MAJOR


def libraries(runtime: ModuleType, provider: Provider) -> tuple[NvidiaLibrary, ...]:
    """NVIDIA's libraries that a provider needs, each after those that it depends on."""
    major = cuda_major(runtime)
    of_tensorrt = tensorrt_libraries(major) if provider == "tensorrt" else ()
    return (driver_library(), *cuda_libraries(major), *of_tensorrt)


def _without_subgraphs(providers: list[NamedOptions]) -> list[NamedOptions]:
    """The options, changed so that TensorRT builds no engine for the graph of the check."""
    return [
        (name, options | {"trt_min_subgraph_size": "2"} if name.startswith("Tensorrt") else options)
        for name, options in providers
    ]


def _try(runtime: ModuleType, providers: list[NamedOptions]) -> tuple[str, str]:
    """The provider that a session runs on, and why, if another one was wanted."""
    options = runtime.SessionOptions()
    options.log_severity_level = _FATAL
    # What it would write in colours for every library, our error says in one line.
    runtime.set_default_logger_severity(_FATAL)
    try:
        session = runtime.InferenceSession(
            _IDENTITY, options, providers=providers, enable_fallback=0
        )
    except Exception as error:
        return "", first_line(error)
    finally:
        runtime.set_default_logger_severity(_ERRORS)
    running = session.get_providers()[0]
    return running, f"ONNX Runtime fell back to {running}"


def _missing_library(runtime: ModuleType, provider: Provider) -> str | None:
    """The first library that the provider needs and this host lacks, and how to install it."""
    for library in libraries(runtime, provider):
        try:
            load_library(library)
        except OSError as error:
            brings = install_hint(library.package) if library.package else _DRIVER
            return f"{library.name} is missing ({error}); {brings}"
    return None


def first_line(error: Exception) -> str:
    """The first line of a runtime's error, without the place in its source."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if line.startswith("/") and ") " in line:
        line = line.partition(") ")[2]
    return line.strip()
