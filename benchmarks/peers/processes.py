"""A server's processes as Linux shows them under /proc: their time, memory and signals."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """A process; a later one with the same number has another start."""

    pid: int
    started_ticks: int


@dataclass(frozen=True, slots=True)
class _Stat:
    process: Process
    parent: int
    cpu_ticks: int


class Tree:
    """A process and all that come from it."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._seen: set[Process] = set()

    def cpu_s(self) -> float:
        """Processor time of those that live, in user and system mode."""
        return sum(stat.cpu_ticks for stat in self._stats()) / TICKS_PER_S

    def memory_mib(self) -> float:
        """Their proportional set size: shared pages count once."""
        total_kib = 0
        for stat in self._stats():
            with contextlib.suppress(OSError):
                text = (PROC / str(stat.process.pid) / "smaps_rollup").read_text()
                total_kib += sum(
                    int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")
                )
        return total_kib / 1024

    def send(self, number: signal.Signals) -> None:
        """Send a signal to those that live."""
        for stat in self._stats():
            _send(stat.process, number)

    def favour(self, nice: int) -> None:
        """Give them the weight of a nice value in the scheduler's groups."""
        for stat in self._stats():
            favour(stat.process.pid, nice)

    def kill_seen(self) -> None:
        """Kill all that ever belonged to it and still live, and no others."""
        self._stats()
        for process in self._seen:
            _send(process, signal.SIGKILL)

    def _stats(self) -> list[_Stat]:
        by_parent: dict[int, list[_Stat]] = {}
        found: list[_Stat] = []
        for entry in PROC.iterdir():
            stat = _read(int(entry.name)) if entry.name.isdecimal() else None
            if stat is None:
                continue
            by_parent.setdefault(stat.parent, []).append(stat)
            if stat.process.pid == self._root:
                found.append(stat)
        for stat in found:
            found += by_parent.get(stat.process.pid, [])
        self._seen.update(stat.process for stat in found)
        return found


def favour(pid: int, nice: int) -> None:
    """Give a process's session the weight of a nice value.

    Where the kernel groups processes by session, a nice value counts only within the session.
    """
    with contextlib.suppress(OSError):
        (PROC / str(pid) / "autogroup").write_text(str(nice))


def machine_busy_s() -> float:
    """Processor time that the whole machine has used so far."""
    fields = [int(text) for text in (PROC / "stat").read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / TICKS_PER_S


def _read(pid: int) -> _Stat | None:
    """What /proc says of a process; None if it is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name before the last bracket may hold anything.
    fields = text.rpartition(")")[2].split()
    return _Stat(
        process=Process(pid, started_ticks=int(fields[19])),
        parent=int(fields[1]),
        cpu_ticks=int(fields[11]) + int(fields[12]),
    )


def _send(process: Process, number: signal.Signals) -> None:
    stat = _read(process.pid)
    if stat is not None and stat.process == process:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
