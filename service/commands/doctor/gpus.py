"""NVIDIA's GPUs, by NVML, else by `nvidia-smi`, else by what the driver writes to /proc."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from service.commands.doctor import remedies
from service.commands.doctor.facts import Gpu, GpuFacts, GpuSource, Lack
from service.commands.doctor.isolated import ask, run_limited
from service.commands.doctor.probes import GpuAnswer
from service.distribution import install_hint

_LIMIT_S = 30.0
_NVIDIA = "0x10de"
_DISPLAY = "0x03"
_COLUMNS = "driver_version,name,memory.total,compute_cap"


@dataclass(frozen=True, slots=True)
class _Told:
    source: GpuSource
    driver: str | None
    cuda: str | None
    gpus: tuple[Gpu, ...]


def examine_gpus(
    cuda_major: int,
    proc: Path = Path("/proc/driver/nvidia"),
    pci: Path = Path("/sys/bus/pci/devices"),
) -> GpuFacts:
    """The GPUs and their driver.

    Args:
        cuda_major: the CUDA that the driver must serve.
        proc: what the driver writes.
        pci: the devices on the bus.
    """
    on_pci = _count(pci)
    told = _by_nvml() or _by_tool() or _by_proc(proc)
    if told is None or not told.gpus:
        if on_pci:
            what = "an NVIDIA GPU is on the PCI bus, but no driver lists it"
            lack = Lack(what, remedies.driver(cuda_major))
        else:
            lack = Lack("no NVIDIA GPU is seen", remedies.CONTAINER)
        if told is None:
            return GpuFacts(None, None, None, (), on_pci, (lack,))
        return GpuFacts(told.source, told.driver, told.cuda, (), on_pci, (lack,))
    lacks = []
    if told.source != "NVML":
        lacks.append(Lack("NVML does not tell of the GPUs", install_hint("nvidia-ml-py")))
    if told.cuda is not None and int(told.cuda.partition(".")[0]) < cuda_major:
        what = f"driver {told.driver} serves CUDA {told.cuda} at most; CUDA {cuda_major} is wanted"
        lacks.append(Lack(what, remedies.driver(cuda_major)))
    return GpuFacts(told.source, told.driver, told.cuda, told.gpus, on_pci, tuple(lacks))


def _by_nvml() -> _Told | None:
    found = ask(GpuAnswer, "nvml", limit_s=_LIMIT_S).value
    return _Told("NVML", found.driver, found.cuda, found.gpus) if found else None


def _by_tool() -> _Told | None:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    query = (tool, f"--query-gpu={_COLUMNS}", "--format=csv,noheader,nounits")
    finished = run_limited(query, _LIMIT_S)
    rows = [line.split(", ") for line in finished.output.splitlines()]
    if finished.failure or not rows or any(len(row) != 4 for row in rows):
        return None
    gpus = tuple(
        Gpu(name, int(mebibytes) << 20 if mebibytes.isdecimal() else None, capability)
        for _, name, mebibytes, capability in rows
    )
    return _Told("nvidia-smi", rows[0][0], None, gpus)


def _by_proc(proc: Path) -> _Told | None:
    text = _read(proc / "version")
    if not text:
        return None
    version = re.search(r"Kernel Module.*?\s(\d+\.\d+(?:\.\d+)?)\s", text)
    models = [
        re.search(r"^Model:\s*(.+)$", _read(file), re.MULTILINE)
        for file in sorted(proc.glob("gpus/*/information"))
    ]
    gpus = tuple(Gpu(model.group(1).strip(), None, None) for model in models if model)
    return _Told("/proc/driver/nvidia", version.group(1) if version else None, None, gpus)


def _count(pci: Path) -> int:
    return sum(
        _read(device / "vendor").strip() == _NVIDIA and _read(device / "class").startswith(_DISPLAY)
        for device in pci.glob("*")
    )


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
