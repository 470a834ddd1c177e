from __future__ import annotations

from dataclasses import replace

import pytest

from service.commands.doctor.facts import HostFacts, Lack, MemoryFacts
from service.commands.doctor.text import report
from service.commands.doctor.verdicts import EngineVerdict, judge
from service.distribution import install_hint


def test_each_section_is_told_and_the_summary_comes_last(host: HostFacts) -> None:
    lines = report(host, judge(host)).splitlines()
    assert "CPU: AMD EPYC (x86_64), 2 of 8 cores usable" in lines
    assert "  no  amx_int8      speed" in lines
    assert "Memory: 8.0 GiB in all, 4.0 GiB available, 2.0 GiB allowed to this container" in lines
    assert "ONNX Runtime: 1.31.1 (onnxruntime-gpu 1.31.1), built with CUDA 13" in lines
    assert "  loads   CUDAExecutionProvider" in lines
    assert "  CPU     AMD EPYC: BF16 FP32 INT8" in lines
    assert "NVIDIA GPUs: driver 580.95, serves CUDA 13.0 (told by NVML)" in lines
    assert "  NVIDIA L4, 24.0 GiB, compute capability 8.9" in lines
    assert "  loads   cuDNN             9.2, from nvidia-cudnn-cu13 9.2" in lines
    assert "  loads   TensorRT          10.1, from the system" in lines
    assert "OpenCV: 5.0.0, JPEG by libjpeg-turbo (ver 3.1)" in lines
    assert lines[-7] == "What this host runs"
    assert lines[-1] == "  well    tensorrt    on NVIDIA L4"


def test_what_is_listed_but_does_not_load_is_not_told_as_loading(host: HostFacts) -> None:
    cpu, cuda, tensorrt = host.onnxruntime.providers
    providers = (
        cpu,
        replace(cuda, loads=False, reason="no libcuda"),
        replace(tensorrt, listed=False, loads=False),
    )
    broken = replace(host, onnxruntime=replace(host.onnxruntime, providers=providers))
    lines = report(broken, judge(broken)).splitlines()
    assert "  fails   CUDAExecutionProvider     is listed, but does not load: no libcuda" in lines
    assert "  absent  TensorrtExecutionProvider is not in this build" in lines


def test_each_lack_has_its_remedy_below_it(host: HostFacts) -> None:
    lack = Lack("OpenVINO is not installed", install_hint("openvino"))
    bare = replace(
        host, openvino=replace(host.openvino, version=None, devices=(), runs=False, lacks=(lack,))
    )
    text = report(bare, judge(bare))
    assert (
        "OpenVINO: none\n  ! OpenVINO is not installed\n    -> pip install 'openvino>=2025.2'\n"
    ) in text


def test_a_long_reason_goes_on_below_itself(host: HostFacts) -> None:
    verdict = EngineVerdict("cuda", "not", "word " * 60, (install_hint("gpu"),))
    summary = report(host, (verdict,)).partition("What this host runs\n")[2].splitlines()
    assert summary[0].startswith("  not     cuda        word")
    assert all(line.startswith(" " * 22) for line in summary[1:])
    assert max(map(len, summary)) <= 110
    assert summary[-1].strip() == f"-> {install_hint('gpu')}"


@pytest.mark.parametrize("flags", [True, False])
def test_a_system_that_tells_little_is_reported_all_the_same(host: HostFacts, flags: bool) -> None:
    bare = replace(
        host,
        cpu=host.cpu if flags else replace(host.cpu, flags=()),
        memory=MemoryFacts(None, None, None),
        gpus=replace(host.gpus, source=None, gpus=(), on_pci=0),
    )
    text = report(bare, judge(bare))
    assert "Memory: not told by this system" in text
    assert "NVIDIA GPUs: none" in text
    assert "NVIDIA libraries: of use with an NVIDIA GPU only" in text
    assert ("its flags are not told" in text) is not flags
