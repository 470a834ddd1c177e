"""What the host says: memory of the process, free disk, GPUs. Some of it takes its time."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from takt.core.host import memory_limit_bytes, read_if_there
from takt.observing.instruments.gpu_metrics import GpuCollector

DiskUse = Literal["models", "record"]


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of a folder.

    Attributes:
        holds: what the folder is for.
        free_bytes: that the process may still write.
        total_bytes: of the disk.
    """

    holds: DiskUse
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class HostState:
    """What the host said last.

    Attributes:
        process_bytes: memory of the process; None where the system does not say.
        limit_bytes: of the container, or of the host.
        disks: of the folders that can be read.
        gpus: figures by GPU and by name, without `takt_gpu_`.
    """

    process_bytes: int | None = None
    limit_bytes: int = 0
    disks: tuple[Disk, ...] = ()
    gpus: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


class HostReader:
    """Asks the host; blocks, for long where a folder is on a server that does not answer.

    Args:
        folders: by what they are for.
        gpus: reads the GPUs, if there are any.
        statm: file in which Linux states the memory of the process.
    """

    def __init__(
        self,
        folders: Mapping[DiskUse, Path],
        gpus: GpuCollector | None = None,
        statm: Path = Path("/proc/self/statm"),
    ) -> None:
        self._folders = dict(folders)
        self._gpus = gpus
        self._statm = statm

    def read(self) -> HostState:
        """What the host says now."""
        disks = (_disk(holds, folder) for holds, folder in self._folders.items())
        return HostState(
            process_bytes=self._process_bytes(),
            limit_bytes=memory_limit_bytes(),
            disks=tuple(disk for disk in disks if disk is not None),
            gpus=self._read_gpus(),
        )

    def _process_bytes(self) -> int | None:
        words = read_if_there(self._statm).split()
        return int(words[1]) * os.sysconf("SC_PAGE_SIZE") if len(words) > 1 else None

    def _read_gpus(self) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for family in self._gpus.collect() if self._gpus else ():
            for sample in family.samples:
                figures = found.setdefault(sample.labels["gpu"], {})
                figures[sample.name.removeprefix("takt_gpu_")] = sample.value
        return found


def _disk(holds: DiskUse, folder: Path) -> Disk | None:
    """The disk of a folder, or of the next one above that is there."""
    for place in (folder, *folder.absolute().parents):
        with contextlib.suppress(OSError):
            usage = shutil.disk_usage(place)
            return Disk(holds, usage.free, usage.total)
    return None
