from __future__ import annotations

from pathlib import Path

from service.host import host_name

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
