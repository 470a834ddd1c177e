"""Facts that the doctor finds out about a host; verdicts rest on nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from takt.core.bundles.variant import Provider


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that is missing or broken.

    Attributes:
        what: the fault, for people.
        remedy: command that brings what is missing, or other advice.
    """

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class CpuFlag:
    """One instruction set: whether the processor has it, and what it brings."""

    name: str
    present: bool
    buys: str


@dataclass(frozen=True, slots=True)
class CpuFacts:
    """The processor.

    >>> flags = (CpuFlag("avx2", True, ""), CpuFlag("avx512f", False, ""))
    >>> CpuFacts("AMD EPYC", "x86_64", 2, 2, flags).first_of("avx512f", "avx2")
    'avx2'

    Attributes:
        model: the system's name for it.
        architecture: such as x86_64.
        cores: number of cores that the system has.
        usable_cores: number of cores that this process may use; a container's quota counts.
        flags: the flags that matter to engines; empty if the system does not tell them.
    """

    model: str
    architecture: str
    cores: int
    usable_cores: int
    flags: tuple[CpuFlag, ...]

    def first_of(self, *names: str) -> str:
        """First of these flags that is present; empty if none is."""
        present = {flag.name for flag in self.flags if flag.present}
        return next((name for name in names if name in present), "")


@dataclass(frozen=True, slots=True)
class MemoryFacts:
    """Main memory; None for a size that the system does not tell or does not limit."""

    total_bytes: int | None
    available_bytes: int | None
    limit_bytes: int | None


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """One provider of ONNX Runtime.

    Attributes:
        provider: the provider as variants name it.
        name: ONNX Runtime's name for it.
        listed: whether the build has it.
        loads: whether a session ran a convolution on it with the right result.
        reason: why a listed provider does not load; empty otherwise.
    """

    provider: Provider
    name: str
    listed: bool
    loads: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OnnxRuntimeFacts:
    """ONNX Runtime.

    Attributes:
        packages: its installed packages with their versions; there should be one.
        version: version of the imported package; None if none can be imported.
        cuda_major: major version of CUDA that it was built with; None in a build for CPUs.
        listed: names of all its providers.
        providers: the providers that Takt can choose.
        lacks: its faults.
    """

    packages: tuple[str, ...]
    version: str | None
    cuda_major: int | None
    listed: tuple[str, ...]
    providers: tuple[ProviderFacts, ...]
    lacks: tuple[Lack, ...] = ()

    def provider(self, provider: Provider) -> ProviderFacts | None:
        """Facts of this provider; None if ONNX Runtime cannot be imported."""
        return next((one for one in self.providers if one.provider == provider), None)

    def loads(self, provider: Provider) -> bool:
        """Whether this provider really runs."""
        found = self.provider(provider)
        return found is not None and found.loads


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """One device of OpenVINO; its capabilities are precisions that it computes well, and more."""

    name: str
    full_name: str
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenVinoFacts:
    """OpenVINO; `runs` says whether its CPU device ran a convolution with the right result."""

    version: str | None
    devices: tuple[DeviceFacts, ...]
    runs: bool
    lacks: tuple[Lack, ...] = ()

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Capabilities of the CPU device."""
        return next((one.capabilities for one in self.devices if one.name == "CPU"), ())


@dataclass(frozen=True, slots=True)
class Gpu:
    """One NVIDIA GPU; None for a value that the source does not tell."""

    name: str
    memory_bytes: int | None
    compute_capability: str | None


GpuSource = Literal["NVML", "nvidia-smi", "/proc/driver/nvidia"]


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """The NVIDIA GPUs.

    Attributes:
        source: source of these facts; None if there is none.
        driver: version of the driver.
        cuda: newest CUDA that the driver serves, such as 13.0; None if the source does not tell.
        gpus: the GPUs in the driver's order.
        on_pci: number of GPUs on the PCI bus, with or without a driver.
        lacks: their faults.
        device_files: whether the driver's files are in /dev.
    """

    source: GpuSource | None
    driver: str | None
    cuda: str | None
    gpus: tuple[Gpu, ...]
    on_pci: int = 0
    lacks: tuple[Lack, ...] = ()
    device_files: bool = False

    @property
    def seen(self) -> bool:
        """Whether there is a GPU, or any part of NVIDIA's driver."""
        return bool(self.gpus or self.on_pci or self.source or self.device_files)


@dataclass(frozen=True, slots=True)
class LibraryFacts:
    """One shared library of NVIDIA's.

    Attributes:
        name: name for people.
        soname: file name that ONNX Runtime loads.
        package: wheel that contains it; empty for the driver's own.
        wheel: version of the installed wheel; None if it is not installed.
        version: the library's own version, else its wheel's; None if it does not load.
        loads: whether it loads.
        reason: why it does not load; empty if it does.
    """

    name: str
    soname: str
    package: str
    wheel: str | None
    version: str | None
    loads: bool
    reason: str


@dataclass(frozen=True, slots=True)
class LibrariesFacts:
    """The libraries that ONNX Runtime's GPU providers load, and which of them are missing."""

    cuda: tuple[LibraryFacts, ...]
    tensorrt: tuple[LibraryFacts, ...]
    cuda_lacks: tuple[Lack, ...] = ()
    tensorrt_lacks: tuple[Lack, ...] = ()


@dataclass(frozen=True, slots=True)
class DecodingFacts:
    """OpenCV, and the JPEG decoder that it was built with."""

    opencv: str | None
    jpeg: str
    lacks: tuple[Lack, ...] = ()


@dataclass(frozen=True, slots=True)
class HostFacts:
    """All facts of a host; `libraries` is None where nobody wants a GPU, and none is there."""

    takt: str
    python: str
    system: str
    cpu: CpuFacts
    memory: MemoryFacts
    onnxruntime: OnnxRuntimeFacts
    openvino: OpenVinoFacts
    gpus: GpuFacts
    libraries: LibrariesFacts | None
    decoding: DecodingFacts
