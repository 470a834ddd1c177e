"""Examines the processor and the memory by the files of the system."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from takt.commands.doctor.facts import CpuFacts, CpuFlag, MemoryFacts
from takt.core.host import CGROUPS, processor_name, read_if_there, usable_cores

_X86 = {
    "avx2": "256-bit vectors; without them float32 is slow",
    "avx512f": "512-bit vectors: up to twice the float32 of AVX2",
    "avx512_vnni": "8-bit products summed in one step, 512 bits wide: INT8 is fast",
    "avx_vnni": "the same, 256 bits wide",
    "avx512_bf16": "bfloat16 products in hardware: bf16 is faster than float32",
    "amx_int8": "8-bit products of whole tiles: several times the INT8 peak of VNNI",
    "amx_bf16": "bfloat16 products of whole tiles: several times the bf16 peak without",
}
_ARM = {
    "asimddp": "8-bit products summed in one step: INT8 is fast",
    "i8mm": "8-bit products of small matrices: INT8 is faster still",
    "bf16": "bfloat16 products in hardware: bf16 is faster than float32",
}

INT8_FLAGS = ("amx_int8", "avx512_vnni", "avx_vnni", "i8mm", "asimddp")
"""Flags that make 8 bits fast, the best one first."""
BF16_FLAGS = ("amx_bf16", "avx512_bf16", "bf16")
"""Flags of processors that compute in bfloat16 and do not emulate it, the best one first."""

_UNLIMITED = 1 << 60
"""Version 1 of control groups writes a number above this if there is no limit."""


def examine_cpu(cpuinfo: Path = Path("/proc/cpuinfo"), architecture: str | None = None) -> CpuFacts:
    """Facts of the processor, without flags if the file is missing."""
    text = read_if_there(cpuinfo)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.MULTILINE)
    machine = architecture or platform.machine()
    matter = _ARM if machine.lower() in ("aarch64", "arm64") else _X86
    present = set(flags.group(1).split()) if flags else set()
    return CpuFacts(
        model=processor_name(cpuinfo),
        architecture=machine,
        cores=os.cpu_count() or 1,
        usable_cores=usable_cores(),
        flags=tuple(CpuFlag(name, name in present, buys) for name, buys in matter.items())
        if flags
        else (),
    )


def examine_memory(meminfo: Path = Path("/proc/meminfo"), cgroups: Path = CGROUPS) -> MemoryFacts:
    """Facts of the main memory, with the container's limit."""
    text = read_if_there(meminfo)
    return MemoryFacts(
        total_bytes=_kilobytes(text, "MemTotal"),
        available_bytes=_kilobytes(text, "MemAvailable"),
        limit_bytes=_limit(cgroups),
    )


def _kilobytes(text: str, name: str) -> int | None:
    found = re.search(rf"^{name}:\s*(\d+) kB$", text, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None


def _limit(cgroups: Path) -> int | None:
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        text = read_if_there(cgroups / file).strip()
        if text.isdecimal() and int(text) < _UNLIMITED:
            return int(text)
    return None
