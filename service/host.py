"""What distinguishes one host from another for an engine: the processor and the GPUs."""

from __future__ import annotations

import functools
import re
from pathlib import Path

_TELLING_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8")


@functools.cache
def host_name(
    cores: int,
    cpuinfo: Path = Path("/proc/cpuinfo"),
    gpus: Path = Path("/proc/driver/nvidia/gpus"),
) -> str:
    """A name that two hosts share if what is fastest on one is so on the other.

    Args:
        cores: that this process may use.
        cpuinfo: where Linux tells of the processor.
        gpus: where NVIDIA's driver tells of its GPUs.
    """
    text = _read(cpuinfo)
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = set(_words(re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)))
    parts = [
        found.group(1).strip() if found else "unknown processor",
        " ".join(flag for flag in _TELLING_FLAGS if flag in flags),
        f"{cores} cores",
    ]
    for information in sorted(gpus.glob("*/information")):
        if model := re.search(r"^Model:\s*(.+)$", _read(information), re.MULTILINE):
            parts.append(model.group(1).strip())
    return ", ".join(part for part in parts if part)


def _words(found: re.Match[str] | None) -> list[str]:
    return found.group(1).split() if found else []


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
