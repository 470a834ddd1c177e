"""NVIDIA's libraries: CUDA, cuDNN and TensorRT, from wheels or from the system."""

from __future__ import annotations

from collections.abc import Mapping

from service.commands.doctor import remedies
from service.commands.doctor.facts import Lack, LibrariesFacts, LibraryFacts
from service.commands.doctor.isolated import ask
from service.commands.doctor.probes import LibrariesAnswer, LibraryAnswer
from service.distribution import install_hint, installed_version
from service.engines.nvidia.libraries import (
    TENSORRT_MAJOR,
    NvidiaLibrary,
    cuda_libraries,
    driver_library,
    tensorrt_libraries,
)


def examine_libraries(cuda_major: int) -> LibrariesFacts:
    """Which of the libraries load.

    Args:
        cuda_major: that ONNX Runtime was built with.
    """
    answer = ask(LibrariesAnswer, "libraries", str(cuda_major))
    told = {one.soname: one for one in answer.value.libraries} if answer.value else {}
    wanted = (driver_library(), *cuda_libraries(cuda_major))
    cuda = tuple(_facts(one, told, answer.failure) for one in wanted)
    tensorrt = tuple(_facts(one, told, answer.failure) for one in tensorrt_libraries(cuda_major))
    if answer.value is None:
        what = f"loading NVIDIA's libraries failed: {answer.failure}"
        lack = Lack(what, remedies.driver(cuda_major))
        return LibrariesFacts(cuda, tensorrt, (lack,), ())
    return LibrariesFacts(
        cuda=cuda,
        tensorrt=tensorrt,
        cuda_lacks=_cuda_lacks(cuda),
        tensorrt_lacks=_tensorrt_lacks(tensorrt, cuda_major),
    )


def _facts(library: NvidiaLibrary, told: Mapping[str, LibraryAnswer], failure: str) -> LibraryFacts:
    wheel = installed_version(library.package) if library.package else None
    found = told.get(library.soname)
    reason = found.reason if found else failure
    return LibraryFacts(
        name=library.name,
        soname=library.soname,
        package=library.package,
        wheel=wheel,
        version=None if reason or not found else found.version or wheel,
        loads=not reason,
        reason=reason,
    )


def _cuda_lacks(libraries: tuple[LibraryFacts, ...]) -> tuple[Lack, ...]:
    """The driver's own library is missed by who looks at the GPUs."""
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
