from __future__ import annotations

import ctypes
import os
import sys
import threading
from pathlib import Path

import pytest

from takt.core.host import (
    free_memory_bytes,
    host_name,
    let_others_go_first,
    memory_limit_bytes,
    own_names,
    picture_memory_bytes,
    return_freed_memory,
    usable_cores,
)

CPUINFO = """processor\t: 0
model name\t: AMD EPYC 9B14
flags\t\t: fpu avx2 avx512f avx512_vnni sse4_2 avx512_bf16
"""


def test_a_host_is_named_by_its_processor_what_it_can_and_its_gpus(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(CPUINFO)
    gpus = tmp_path / "gpus"
    for number, model in enumerate(("NVIDIA L4", "NVIDIA L4")):
        (gpus / str(number)).mkdir(parents=True)
        (gpus / str(number) / "information").write_text(f"Model: \t\t {model}\nIRQ: 7\n")
    name = host_name(4, cpuinfo, gpus)
    assert name == (
        "AMD EPYC 9B14, avx2 avx512f avx512_vnni avx512_bf16, 4 cores, NVIDIA L4, NVIDIA L4"
    )


def test_another_number_of_cores_is_another_host(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(CPUINFO)
    assert host_name(2, cpuinfo, tmp_path) != host_name(4, cpuinfo, tmp_path)


def test_a_host_that_tells_nothing_still_has_a_name(tmp_path: Path) -> None:
    assert host_name(2, tmp_path / "none", tmp_path / "none") == "unknown processor, 2 cores"


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.parametrize(
    ("content", "cores"),
    [("150000 100000", 2), ("50000 100000", 1), ("1600000 100000", 8), ("max 100000", 8)],
)
def test_a_containers_quota_bounds_the_cores_rounded_up(
    tmp_path: Path, content: str, cores: int
) -> None:
    (tmp_path / "cpu.max").write_text(content)
    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("250000", 3), ("-1", 8)])
def test_control_groups_of_version_1_are_heard_as_well(
    tmp_path: Path, quota: str, cores: int
) -> None:
    folder = tmp_path / "cpu"
    folder.mkdir()
    (folder / "cpu.cfs_quota_us").write_text(quota)
    (folder / "cpu.cfs_period_us").write_text("100000")
    assert usable_cores(tmp_path) == cores


def test_without_control_groups_it_is_what_the_process_may_run_on(tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "none") == 8


def test_glibc_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Library:
        def __init__(self, _: None) -> None:
            self.malloc_trim = asked.append

    monkeypatch.setattr(ctypes, "CDLL", Library)
    return_freed_memory()
    assert asked == [0]


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch, error) -> None:
    def refuse(_: None) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    return_freed_memory()


def test_a_host_is_known_by_its_name_in_its_domains_and_in_the_file_of_hosts(
    tmp_path: Path,
) -> None:
    hosts, resolver = tmp_path / "hosts", tmp_path / "resolv.conf"
    hosts.write_text(
        "127.0.0.1 localhost\n127.0.1.1 Line3.plant.corp line3 # vision\n10.0.0.9 other.corp\n"
    )
    resolver.write_text("nameserver 10.0.0.1\nsearch plant.corp. cells.corp\nsearch .\n")
    assert set(own_names("line3", hosts, resolver)) == {
        *("line3", "line3.local", "line3.plant.corp", "line3.cells.corp"),
    }


def test_a_host_whose_name_is_full_is_known_by_the_short_one_too(tmp_path: Path) -> None:
    none = tmp_path / "none"
    assert own_names("line3.plant.corp", none, none) == ("line3.plant.corp", "line3", "line3.local")


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_pictures_may_take_half_of_a_containers_memory(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("268435456\n")
    assert picture_memory_bytes(tmp_path) == 128 * 1024 * 1024


@pytest.mark.parametrize("limit", ["max", str(2**63 - 4096), None])
def test_pictures_may_take_a_quarter_of_a_hosts_memory(tmp_path: Path, limit: str | None) -> None:
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit + "\n")
    host = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert picture_memory_bytes(tmp_path) == host // 4


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a thread has no niceness there")
def test_a_thread_lets_others_go_first_and_those_keep_their_turn() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    niceness: list[int] = []

    def work() -> None:
        let_others_go_first()
        niceness.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert niceness == [max(before, 10)]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_a_process_may_take_the_containers_memory_or_all_of_the_hosts(tmp_path: Path) -> None:
    host = memory_limit_bytes(tmp_path)
    assert host == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    (tmp_path / "memory.max").write_text(f"{256 * 1024 * 1024}\n")
    assert memory_limit_bytes(tmp_path) == 256 * 1024 * 1024
    (tmp_path / "memory.max").write_text(f"{2 * host}\n")
    assert memory_limit_bytes(tmp_path) == host


@pytest.mark.parametrize("version", [1, 2])
def test_what_a_container_has_left_counts_without_files_that_nobody_reads(
    tmp_path: Path, version: int
) -> None:
    meminfo, cgroups = tmp_path / "meminfo", tmp_path / "cgroup"
    meminfo.write_text("MemTotal: 9000000 kB\nMemAvailable:    4000000 kB\n")
    assert free_memory_bytes(cgroups, meminfo) == 4_096_000_000
    (cgroups / "memory").mkdir(parents=True)
    names = {
        1: ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
        2: ("memory.max", "memory.current", "memory.stat"),
    }[version]
    stat = f"{'total_' if version == 1 else ''}inactive_file 200000000\n"
    for name, text in zip(names, ("1000000000\n", "700000000\n", stat), strict=True):
        (cgroups / name).write_text(text)
    assert free_memory_bytes(cgroups, meminfo) == 500_000_000
    (cgroups / names[1]).write_text("1300000000")
    assert free_memory_bytes(cgroups, meminfo) == 0


def test_a_host_that_tells_nothing_has_all_its_memory(tmp_path: Path) -> None:
    assert free_memory_bytes(tmp_path, tmp_path / "none") > 0
