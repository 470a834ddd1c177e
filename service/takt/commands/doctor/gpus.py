"""Examines NVIDIA's GPUs by NVML, else by `nvidia-smi`, else by the driver's files in /proc."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

from takt.commands.doctor import remedies
from takt.commands.doctor.facts import Gpu, GpuFacts, Lack
from takt.commands.doctor.isolated import ask, run_limited
from takt.core.distribution import install_hint
from takt.core.host import read_if_there

NO_GPU = "no NVIDIA GPU is seen"

_LIMIT_S = 30.0
_NVIDIA = "0x10de"
_DISPLAY = "0x03"
_COLUMNS = "driver_version,name,memory.total,compute_cap"


def examine_gpus(
    cuda_major: int,
    proc: Path = Path("/proc/driver/nvidia"),
    pci: Path = Path("/sys/bus/pci/devices"),
    dev: Path = Path("/dev"),
) -> GpuFacts:
    """Facts of the GPUs and of their driver.

    Args:
        cuda_major: version of CUDA that the driver must serve.
        proc: folder that the driver writes.
        pci: folder with the devices on the bus.
        dev: folder with the driver's files for programs.
    """
    on_pci = _count(pci)
    by_nvml = ask(GpuFacts, "nvml", limit_s=_LIMIT_S).value
    found = by_nvml or _by_tool() or _by_proc(proc) or GpuFacts(None, None, None, ())
    found = replace(found, on_pci=on_pci, device_files=any(dev.glob("nvidia*")))
    if not found.gpus:
        if on_pci:
            what = "an NVIDIA GPU is on the PCI bus, but no driver lists it"
            lack = Lack(what, remedies.driver(cuda_major))
        else:
            lack = Lack(NO_GPU, remedies.CONTAINER)
        return replace(found, lacks=(lack,))
    lacks = []
    if found.source != "NVML":
        lacks.append(Lack("NVML does not tell of the GPUs", install_hint("nvidia-ml-py")))
    if found.cuda is not None and int(found.cuda.partition(".")[0]) < cuda_major:
        what = (
            f"driver {found.driver} serves CUDA {found.cuda} at most; CUDA {cuda_major} is wanted"
        )
        lacks.append(Lack(what, remedies.driver(cuda_major)))
    return replace(found, lacks=tuple(lacks))


def _by_tool() -> GpuFacts | None:
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
    return GpuFacts("nvidia-smi", rows[0][0], None, gpus)


def _by_proc(proc: Path) -> GpuFacts | None:
    text = read_if_there(proc / "version")
    if not text:
        return None
    version = re.search(r"Kernel Module.*?\s(\d+\.\d+(?:\.\d+)?)\s", text)
    models = [
        re.search(r"^Model:\s*(.+)$", read_if_there(file), re.MULTILINE)
        for file in sorted(proc.glob("gpus/*/information"))
    ]
    gpus = tuple(Gpu(model.group(1).strip(), None, None) for model in models if model)
    return GpuFacts("/proc/driver/nvidia", version.group(1) if version else None, None, gpus)


def _count(pci: Path) -> int:
    return sum(
        read_if_there(device / "vendor").strip() == _NVIDIA
        and read_if_there(device / "class").startswith(_DISPLAY)
        for device in pci.glob("*")
    )
