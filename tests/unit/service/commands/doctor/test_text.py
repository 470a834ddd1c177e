from __future__ import annotations

from dataclasses import replace

import pytest

from takt.commands.doctor import remedies
from takt.commands.doctor.facts import GpuFacts, HostFacts, Lack, MemoryFacts
from takt.commands.doctor.gpus import NO_GPU
from takt.commands.doctor.text import report
from takt.commands.doctor.verdicts import EngineVerdict, judge
from takt.core.distribution import install_hint


def test_the_summary_comes_first_and_then_each_section(host: HostFacts) -> None:
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
    assert lines[0] == "What this host runs"
    assert lines[6] == "  well    tensorrt    on NVIDIA L4"
    assert lines[8] == "Nothing is missing"


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


def test_what_is_missing_follows_with_each_remedy_once_and_all_that_it_is_for(
    host: HostFacts,
) -> None:
    openvino = Lack("OpenVINO is not installed", install_hint("openvino"))
    decoding = Lack("OpenCV decodes JPEG slowly", "pip install a-better-one")
    bare = replace(
        host,
        openvino=replace(host.openvino, version=None, devices=(), runs=False, lacks=(openvino,)),
        decoding=replace(host.decoding, lacks=(decoding,)),
        gpus=replace(host.gpus, lacks=(Lack("NVML does not tell", install_hint("nvidia-ml-py")),)),
    )
    text = report(bare, judge(bare))
    missing = text.split("\n\n")[1].splitlines()
    assert missing[0] == "What is missing"
    assert sorted(zip(missing[1::2], missing[2::2], strict=True)) == [
        ("  NVML does not tell", f"    -> {install_hint('nvidia-ml-py')}"),
        ("  OpenCV decodes JPEG slowly", "    -> pip install a-better-one"),
        ("  for cpu-bf16, openvino", "    -> pip install 'openvino>=2025.2'"),
    ]
    for remedy in missing[2::2]:
        assert text.count(remedy.strip()) == 1


def test_a_long_reason_goes_on_below_itself_and_a_command_stays_on_its_line(
    host: HostFacts,
) -> None:
    verdict = EngineVerdict("cuda", "not", "word " * 60, (install_hint("gpu"),))
    summary, missing, *_ = report(host, (verdict,)).split("\n\n")
    _, first, *others = summary.splitlines()
    assert first.startswith("  not     cuda        word")
    assert all(line.startswith(" " * 22 + "word") for line in others)
    assert max(map(len, (first, *others))) <= 80
    assert missing.splitlines()[-1] == f"    -> {install_hint('gpu')}"


@pytest.mark.parametrize("flags", [True, False])
def test_a_system_that_tells_little_is_reported_all_the_same(host: HostFacts, flags: bool) -> None:
    bare = replace(
        host,
        cpu=host.cpu if flags else replace(host.cpu, flags=()),
        memory=MemoryFacts(None, None, None),
        gpus=replace(host.gpus, source=None, gpus=(), on_pci=0),
        libraries=None,
    )
    text = report(bare, judge(bare))
    assert "Memory: not told by this system" in text
    assert "NVIDIA GPUs: none" in text
    assert ("its flags are not told" in text) is not flags


def test_a_gpu_s_libraries_and_advice_stay_away_where_nobody_wants_a_gpu(host: HostFacts) -> None:
    bare = replace(
        host,
        gpus=GpuFacts(None, None, None, (), lacks=(Lack(NO_GPU, remedies.CONTAINER),)),
        onnxruntime=replace(
            host.onnxruntime,
            providers=tuple(
                replace(one, listed=one.provider == "cpu", loads=one.provider == "cpu")
                for one in host.onnxruntime.providers
            ),
        ),
        libraries=None,
    )
    text = report(bare, judge(bare))
    assert "NVIDIA libraries" not in text
    assert "absent" not in text
    assert remedies.CONTAINER not in text
    assert text.count(NO_GPU) == 2, "once for each engine that needs one"
    assert "Nothing is missing; `takt doctor --gpu` tells what a GPU would need" in text
