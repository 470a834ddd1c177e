"""The machine that the process runs on: its names, its cores and its memory."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import os
import platform
import re
import socket
import threading
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")

_NICE = 10
"""Such a thread has a tenth of the time of another one, where both want a core."""

_TELLING_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8")


@functools.cache
def host_name(
    cores: int,
    cpuinfo: Path = Path("/proc/cpuinfo"),
    gpus: Path = Path("/proc/driver/nvidia/gpus"),
) -> str:
    """A name that two hosts share if the fastest engine of one is the fastest of the other.

    >>> host_name(2, Path("missing"), Path("missing"))
    'unknown processor, 2 cores'

    Args:
        cores: number of cores that this process may use.
        cpuinfo: file in which Linux describes the processor.
        gpus: folder in which NVIDIA's driver describes the GPUs.
    """
    text = read_if_there(cpuinfo)
    flags = _said_of("flags", text).split()
    parts = [
        _said_of("model name", text) or "unknown processor",
        " ".join(flag for flag in _TELLING_FLAGS if flag in flags),
        f"{cores} cores",
        *(_said_of("Model", read_if_there(one)) for one in sorted(gpus.glob("*/information"))),
    ]
    return ", ".join(part for part in parts if part)


def _said_of(name: str, text: str) -> str:
    """What a file of the system says of a name, on its first such line; empty if nothing."""
    found = re.search(rf"^{name}\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def own_names(
    name: str | None = None,
    hosts: Path = Path("/etc/hosts"),
    resolver: Path = Path("/etc/resolv.conf"),
) -> tuple[str, ...]:
    """Names by which others may know this host, in lower case; asks no name server.

    The host's name as it is, in its domains and, for multicast DNS, in `.local`; and the names
    that the file of hosts has beside it. A name server may be out of reach for many seconds.

    >>> own_names("Line3", Path("missing"), Path("missing"))
    ('line3', 'line3.local')

    Args:
        name: of the host; else the one that the system states.
        hosts: file with the addresses of names.
        resolver: file that lists the domains in which the host looks for names.
    """
    full = (name or socket.gethostname()).lower()
    short = full.partition(".")[0]
    names = [full, short, f"{short}.local"]
    for line in read_if_there(hosts).lower().splitlines():
        listed = line.partition("#")[0].split()[1:]
        if short in listed or full in listed:
            names += listed
    for line in read_if_there(resolver).lower().splitlines():
        if line.startswith(("search", "domain")):
            names += [
                f"{short}.{domain.strip('.')}" for domain in line.split()[1:] if domain != "."
            ]
    return tuple(dict.fromkeys(names))


def read_if_there(file: Path) -> str:
    """Text of a file of the system; empty if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name, as it calls itself; its kind where it does not."""
    return _said_of("model name", read_if_there(cpuinfo)) or platform.processor() or "unknown"


def usable_cores(cgroups: Path = CGROUPS) -> int:
    """Number of cores that this process may use; a container's quota counts, rounded up.

    Args:
        cgroups: folder with the container's limits, as control groups of version 2 or 1.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _quota(cgroups)
    cores = allowed or 1
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def core_shares(shares: int) -> list[tuple[int, ...]]:
    """The cores of each of so many processes, as many for one as for another.

    Neighbours stay together, as they share caches. Where there are fewer cores than processes, and
    where the system knows no such thing, each share is empty: the process may use any core.
    """
    if not hasattr(os, "sched_setaffinity"):
        return [()] * shares
    allowed = sorted(os.sched_getaffinity(0))
    each = min(usable_cores(), len(allowed)) // shares
    if not each:
        return [()] * shares
    return [tuple(allowed[i * each : (i + 1) * each]) for i in range(shares)]


def _quota(cgroups: Path) -> float | None:
    """The container's quota in cores; None without a limit."""
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((cgroups / file).read_text() for file in files).split()
            limit = int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):
            continue
        if limit > 0:
            return limit
    return None


def picture_memory_bytes(cgroups: Path = CGROUPS) -> int:
    """Memory that pictures may take where nobody says how much.

    A container's memory is there for the process, so half of it; a host has more to do, so a
    quarter.

    Args:
        cgroups: folder with the container's limits, as control groups of version 2 or 1.
    """
    host, limit = _host_memory_bytes(), memory_limit_bytes(cgroups)
    return limit // 2 if limit < host else host // 4


def memory_limit_bytes(cgroups: Path = CGROUPS) -> int:
    """Memory that this process may take: the container's, or all that the host has.

    Args:
        cgroups: folder with the container's limits, as control groups of version 2 or 1.
    """
    limits = (
        read_if_there(cgroups / file).strip()
        for file in ("memory.max", "memory/memory.limit_in_bytes")
    )
    host = _host_memory_bytes()
    return min(host, *(int(limit) for limit in limits if limit.isdecimal()), host)


def free_memory_bytes(cgroups: Path = CGROUPS, meminfo: Path = Path("/proc/meminfo")) -> int:
    """Memory that one more process may take now: what the container and the host have left.

    Args:
        cgroups: folder with the container's limits, as control groups of version 2 or 1.
        meminfo: file in which Linux tells of the host's memory.
    """
    available = re.search(r"^MemAvailable:\s*(\d+) kB", read_if_there(meminfo), re.MULTILINE)
    left = [int(available[1]) * 1024 if available else _host_memory_bytes()]
    for used, stat, inactive in (
        ("memory.current", "memory.stat", "inactive_file"),
        ("memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
    ):
        if (text := read_if_there(cgroups / used).strip()).isdecimal():
            # The kernel gives files that nobody reads away before it ends a process.
            found = re.search(rf"^{inactive} (\d+)$", read_if_there(cgroups / stat), re.MULTILINE)
            taken = int(text) - (int(found[1]) if found else 0)
            left.append(memory_limit_bytes(cgroups) - taken)
    return max(0, min(left))


def _host_memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def let_others_go_first() -> None:
    """Have every other thread of the host go before the calling one, on Linux."""
    with contextlib.suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def spin_briefly() -> None:
    """Have OpenMP's threads spin for a moment while they wait, unless the environment says how.

    They spin for long otherwise, and take from others, and from one another, cores that have other
    work: `takt learn` took ten times as long beside it. OpenMP reads it once, as torch is loaded.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def return_freed_memory() -> None:
    """Return freed memory to the operating system, where the C library can do that.

    It takes some milliseconds, in which other threads that allocate may wait. glibc keeps in each
    thread's arena what loading and checking a model took for a moment: after ten models, one after
    another, a process held twice the memory that it used.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
