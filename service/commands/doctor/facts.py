"""What the doctor finds out about a host; verdicts are made of nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from service.bundles.variant import Provider


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that is missing or broken.

    Attributes:
        what: it is, for people.
        remedy: the command that brings it, or what else to do.
    """

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class CpuFlag:
    """One instruction set: whether the processor has it, and what it buys."""

    name: str
    present: bool
    buys: str


@dataclass(frozen=True, slots=True)
class CpuFacts:
    """The processor.

    Attributes:
        model: as the system names it.
        architecture: such as x86_64.
        cores: that the system has.
        usable_cores: those that this process may use, a container's quota counted.
        flags: those that matter here; empty where the system does not tell them.
    """

    model: str
    architecture: str
    cores: int
    usable_cores: int
    flags: tuple[CpuFlag, ...]

    def first_of(self, *names: str) -> str:
        """The first of these flags that is present; empty if none is."""
        present = {flag.name for flag in self.flags if flag.present}
        return next((name for name in names if name in present), "")


@dataclass(frozen=True, slots=True)
class MemoryFacts:
    """Main memory; None for what the system does not tell, or does not limit."""

    total_bytes: int | None
    available_bytes: int | None
    limit_bytes: int | None


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """One provider of ONNX Runtime.

    Attributes:
        provider: of ONNX Runtime, as a variant names it.
        name: as ONNX Runtime calls it.
        listed: whether the build has it.
        loads: whether a session really ran a convolution on it, and rightly.
        reason: why not, where it is listed.
    """

    provider: Provider
    name: str
    listed: bool
    loads: bool
    reason: str


@dataclass(frozen=True, slots=True)
class OnnxRuntimeFacts:
    """ONNX Runtime.

    Attributes:
        packages: those that are installed, with their versions; one is right.
        version: of what is imported; None if nothing can be.
        cuda_major: that it was built with; None in a build for CPUs.
        listed: its providers, all of them.
        providers: those that Takt can choose.
        lacks: what is wrong with it.
    """

    packages: tuple[str, ...]
    version: str | None
    cuda_major: int | None
    listed: tuple[str, ...]
    providers: tuple[ProviderFacts, ...]
    lacks: tuple[Lack, ...]

    def provider(self, provider: Provider) -> ProviderFacts | None:
        """What was found about this one; None if nothing could be."""
        return next((one for one in self.providers if one.provider == provider), None)

    def loads(self, provider: Provider) -> bool:
        """Whether this one really runs."""
        found = self.provider(provider)
        return found is not None and found.loads


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """One device of OpenVINO, with the precisions and more that it can do well."""

    name: str
    full_name: str
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenVinoFacts:
    """OpenVINO; `runs` tells whether a convolution ran on its CPU device, and rightly."""

    version: str | None
    devices: tuple[DeviceFacts, ...]
    runs: bool
    lacks: tuple[Lack, ...]

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Of the CPU."""
        return next((one.capabilities for one in self.devices if one.name == "CPU"), ())


@dataclass(frozen=True, slots=True)
class Gpu:
    """One NVIDIA GPU; None for what the source does not tell."""

    name: str
    memory_bytes: int | None
    compute_capability: str | None


GpuSource = Literal["NVML", "nvidia-smi", "/proc/driver/nvidia"]


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """The NVIDIA GPUs.

    Attributes:
        source: who told; None if nobody did.
        driver: its version.
        cuda: the newest that the driver serves, such as 13.0; None if the source does not tell.
        gpus: as the driver lists them.
        on_pci: how many the PCI bus shows, driver or not.
        lacks: what is wrong with them.
    """

    source: GpuSource | None
    driver: str | None
    cuda: str | None
    gpus: tuple[Gpu, ...]
    on_pci: int
    lacks: tuple[Lack, ...]


@dataclass(frozen=True, slots=True)
class LibraryFacts:
    """One shared library of NVIDIA's.

    Attributes:
        name: as people call it.
        soname: that ONNX Runtime wants.
        package: the wheel that would bring it; empty for the driver's own.
        wheel: its version, where it is installed.
        version: as the library tells, or its wheel; None if it does not load, or neither tells.
        loads: whether it does.
        reason: why not.
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
    """The libraries that ONNX Runtime's GPU providers want, and what is missing of them."""

    cuda: tuple[LibraryFacts, ...]
    tensorrt: tuple[LibraryFacts, ...]
    cuda_lacks: tuple[Lack, ...]
    tensorrt_lacks: tuple[Lack, ...]


@dataclass(frozen=True, slots=True)
class DecodingFacts:
    """OpenCV, and the JPEG decoder that it was built with."""

    opencv: str | None
    jpeg: str
    lacks: tuple[Lack, ...]


@dataclass(frozen=True, slots=True)
class HostFacts:
    """All of it."""

    takt: str
    python: str
    system: str
    cpu: CpuFacts
    memory: MemoryFacts
    onnxruntime: OnnxRuntimeFacts
    openvino: OpenVinoFacts
    gpus: GpuFacts
    libraries: LibrariesFacts
    decoding: DecodingFacts
