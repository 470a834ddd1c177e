"""The machine that the process runs on: its name, its cores and its memory."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import os
import re
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")

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


def usable_cores(cgroups: Path = CGROUPS) -> int:
    """Cores that this process may use: a container's quota counts, rounded up.

    Args:
        cgroups: where Linux tells of the container's limits, of version 2 or 1.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _quota(cgroups)
    cores = allowed or 1
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def _quota(cgroups: Path) -> float | None:
    """The container's share in cores; None where it is not limited."""
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((cgroups / file).read_text() for file in files).split()
            limit = int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):
            continue
        if limit > 0:
            return limit
    return None


def return_freed_memory() -> None:
    """Ask for it; takes some milliseconds, in which others that allocate may wait.

    glibc keeps what a loaded and checked model needed for a moment, in each thread's arena: after
    ten models that stepped in one after another a process had twice the memory that it used.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
