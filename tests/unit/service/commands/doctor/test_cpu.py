from pathlib import Path

import pytest

from takt.commands.doctor.cpu import examine_cpu, examine_memory

EPYC = "processor\t: 0\nmodel name\t: AMD EPYC 9354\nflags\t\t: fpu avx2 avx512f avx512_vnni\n\n"
GRAVITON = "processor\t: 0\nFeatures\t: fp asimd asimddp bf16\n\n"


@pytest.fixture
def cpuinfo(tmp_path: Path) -> Path:
    return tmp_path / "cpuinfo"


def test_each_flag_that_matters_is_told_as_present_or_not(cpuinfo: Path) -> None:
    cpuinfo.write_text(EPYC * 2)
    cpu = examine_cpu(cpuinfo, "x86_64")
    assert cpu.model == "AMD EPYC 9354"
    assert {flag.name for flag in cpu.flags if flag.present} == {"avx2", "avx512f", "avx512_vnni"}
    assert {flag.name for flag in cpu.flags if not flag.present} == {
        *("avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
    }
    assert all(flag.buys for flag in cpu.flags)
    assert 1 <= cpu.usable_cores <= cpu.cores


def test_an_arm_processor_has_flags_of_its_own(cpuinfo: Path) -> None:
    cpuinfo.write_text(GRAVITON)
    cpu = examine_cpu(cpuinfo, "aarch64")
    assert [(flag.name, flag.present) for flag in cpu.flags] == [
        ("asimddp", True),
        ("i8mm", False),
        ("bf16", True),
    ]


def test_a_system_that_does_not_tell_flags_gets_none(cpuinfo: Path) -> None:
    cpu = examine_cpu(cpuinfo, "x86_64")
    assert cpu.flags == ()
    assert cpu.model


def test_the_first_present_flag_is_the_one_that_counts(cpuinfo: Path) -> None:
    cpuinfo.write_text(EPYC)
    cpu = examine_cpu(cpuinfo, "x86_64")
    assert cpu.first_of("amx_int8", "avx512_vnni", "avx2") == "avx512_vnni"
    assert cpu.first_of("amx_int8") == ""


@pytest.mark.parametrize(
    ("file", "content", "limit_bytes"),
    [
        ("memory.max", "1073741824\n", 1 << 30),
        ("memory.max", "max\n", None),
        ("memory/memory.limit_in_bytes", "1073741824\n", 1 << 30),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", None),
    ],
)
def test_a_containers_limit_of_memory_is_told(
    tmp_path: Path, file: str, content: str, limit_bytes: int | None
) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(content)
    assert examine_memory(tmp_path / "none", tmp_path).limit_bytes == limit_bytes


def test_memory_is_told_in_bytes(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       2048 kB\nMemFree:  1 kB\nMemAvailable:   1024 kB\n")
    memory = examine_memory(meminfo, tmp_path)
    assert (memory.total_bytes, memory.available_bytes) == (2 << 20, 1 << 20)
    assert memory.limit_bytes is None
