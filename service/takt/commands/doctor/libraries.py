"""Examines NVIDIA's libraries: CUDA, cuDNN and TensorRT, from wheels or from the system."""

from __future__ import annotations

from dataclasses import replace

from takt.commands.doctor import remedies
from takt.commands.doctor.facts import Lack, LibrariesFacts, LibraryFacts
from takt.commands.doctor.isolated import ask
from takt.commands.doctor.probes import libraries_facts
from takt.core.distribution import install_hint
from takt.core.engines.nvidia.libraries import TENSORRT_MAJOR


def examine_libraries(cuda_major: int) -> LibrariesFacts:
    """Facts of the libraries that ONNX Runtime loads.

    Args:
        cuda_major: major version of CUDA that ONNX Runtime was built with.
    """
    answer = ask(LibrariesFacts, "libraries", str(cuda_major))
    found = answer.value
    if found is None:
        what = f"loading NVIDIA's libraries failed: {answer.failure}"
        lack = Lack(what, remedies.driver(cuda_major))
        unknown = libraries_facts(cuda_major, lambda _: (None, answer.failure))
        return replace(unknown, cuda_lacks=(lack,))
    return replace(
        found,
        cuda_lacks=_cuda_lacks(found.cuda),
        tensorrt_lacks=_tensorrt_lacks(found.tensorrt, cuda_major),
    )


def _cuda_lacks(libraries: tuple[LibraryFacts, ...]) -> tuple[Lack, ...]:
    """Faults of CUDA's libraries; `gpus.py` reports a missing driver."""
    names = [one.name for one in libraries if one.package and not one.loads]
    return (Lack(f"{', '.join(names)} cannot be loaded", install_hint("gpu")),) if names else ()


def _tensorrt_lacks(libraries: tuple[LibraryFacts, ...], cuda_major: int) -> tuple[Lack, ...]:
    missing = [one for one in libraries if not one.loads]
    if not missing:
        return ()
    wheel = missing[0].wheel
    if wheel and not wheel.startswith(f"{TENSORRT_MAJOR}."):
        what = f"TensorRT {wheel} is installed; ONNX Runtime wants {TENSORRT_MAJOR}"
    elif missing[0].wheel:
        what = f"TensorRT {wheel} is installed, but does not load: {missing[0].reason}"
    else:
        what = f"TensorRT {TENSORRT_MAJOR} cannot be loaded"
    return (Lack(what, remedies.tensorrt(cuda_major)),)
