from __future__ import annotations

from dataclasses import replace

import pytest

from takt.commands.doctor import remedies
from takt.commands.doctor.facts import (
    CpuFlag,
    DeviceFacts,
    Gpu,
    HostFacts,
    Lack,
    OnnxRuntimeFacts,
    OpenVinoFacts,
    ProviderFacts,
)
from takt.commands.doctor.verdicts import EngineName, EngineVerdict, judge
from takt.core.distribution import install_hint

NO_OPENVINO = OpenVinoFacts(
    None, (), False, (Lack("OpenVINO is not installed", install_hint("openvino")),)
)
NO_GPU = Lack("no NVIDIA GPU is seen", remedies.CONTAINER)


def verdict(host: HostFacts, engine: EngineName) -> EngineVerdict:
    return next(one for one in judge(host) if one.engine == engine)


def with_flags(host: HostFacts, *present: str) -> HostFacts:
    flags = tuple(replace(flag, present=flag.name in present) for flag in host.cpu.flags)
    return replace(host, cpu=replace(host.cpu, flags=flags))


def on_cpus_only(runtime: OnnxRuntimeFacts) -> OnnxRuntimeFacts:
    providers = tuple(
        one if one.provider == "cpu" else replace(one, listed=False, loads=False)
        for one in runtime.providers
    )
    return replace(runtime, packages=("onnxruntime 1.32",), cuda_major=None, providers=providers)


def test_a_host_with_everything_runs_everything_well(host: HostFacts) -> None:
    verdicts = judge(host)
    assert [one.engine for one in verdicts] == [
        *("cpu-fp32", "cpu-bf16", "cpu-int8", "openvino", "cuda", "tensorrt")
    ]
    assert {one.state for one in verdicts} == {"well"}
    assert not any(one.remedies for one in verdicts)


@pytest.mark.parametrize(
    ("engine", "present", "why"),
    [
        ("cpu-bf16", ("avx2", "avx512f"), "has no amx_bf16 or avx512_bf16: bfloat16 is emulated"),
        ("cpu-int8", ("avx2",), "has no amx_int8 or avx512_vnni or avx_vnni"),
        ("cpu-fp32", (), "without AVX2"),
        ("openvino", (), "without AVX2"),
    ],
)
def test_an_instruction_set_that_is_missing_makes_it_slow(
    host: HostFacts, engine: EngineName, present: tuple[str, ...], why: str
) -> None:
    found = verdict(with_flags(host, *present), engine)
    assert found.state == "slowly"
    assert why in found.why


@pytest.mark.parametrize("flag", ["amx_int8", "avx512_vnni", "avx_vnni"])
def test_any_kind_of_8_bit_product_will_do(host: HostFacts, flag: str) -> None:
    found = verdict(with_flags(host, flag), "cpu-int8")
    assert found.state == "well"
    assert flag in found.why


def test_bfloat16_is_slow_where_openvino_makes_no_use_of_the_flag(host: HostFacts) -> None:
    devices = (DeviceFacts("CPU", "AMD EPYC", ("FP32", "INT8")),)
    found = verdict(replace(host, openvino=replace(host.openvino, devices=devices)), "cpu-bf16")
    assert (found.state, found.why) == ("slowly", "OpenVINO makes no use of avx512_bf16 here")


def test_flags_that_are_not_told_are_no_reason_to_praise_8_bits(host: HostFacts) -> None:
    unknown = replace(host, cpu=replace(host.cpu, flags=()))
    assert verdict(unknown, "cpu-int8").state == "slowly"
    assert "does not tell the processor's flags" in verdict(unknown, "cpu-int8").why
    assert verdict(unknown, "cpu-fp32").state == "well"
    assert verdict(unknown, "cpu-bf16").state == "well"


def test_an_arm_processor_is_not_blamed_for_having_no_avx2(host: HostFacts) -> None:
    flags = (CpuFlag("asimddp", True, ""), CpuFlag("i8mm", False, ""), CpuFlag("bf16", True, ""))
    arm = replace(host, cpu=replace(host.cpu, architecture="aarch64", flags=flags))
    assert {verdict(arm, one).state for one in ("cpu-fp32", "cpu-bf16", "cpu-int8")} == {"well"}


def test_without_openvino_the_cpu_has_float32_and_8_bits(host: HostFacts) -> None:
    without = replace(host, openvino=NO_OPENVINO)
    engines: tuple[EngineName, ...] = ("cpu-bf16", "openvino")
    for engine in engines:
        found = verdict(without, engine)
        assert (found.state, found.why) == ("not", "OpenVINO is not installed")
        assert found.remedies == ("pip install 'openvino>=2025.2'",)
    assert verdict(without, "cpu-fp32").why == "by ONNX Runtime, with avx512f"
    assert verdict(without, "cpu-int8").why == "by ONNX Runtime, with avx512_vnni"


def test_without_any_runtime_nothing_runs(host: HostFacts) -> None:
    lack = Lack("ONNX Runtime is not installed", install_hint("cpu"))
    runtime = OnnxRuntimeFacts((), None, None, (), (), (lack,))
    verdicts = judge(replace(host, onnxruntime=runtime, openvino=NO_OPENVINO))
    assert {one.state for one in verdicts} == {"not"}
    assert all(one.why and one.remedies for one in verdicts)
    assert verdicts[0].remedies == (
        "pip install 'onnxruntime>=1.20'",
        "pip install 'openvino>=2025.2'",
    )
    assert verdicts[4].remedies == (install_hint("gpu"),)


@pytest.mark.parametrize("engine", ["cuda", "tensorrt"])
def test_the_build_for_cpus_has_no_gpu_provider(host: HostFacts, engine: EngineName) -> None:
    found = verdict(replace(host, onnxruntime=on_cpus_only(host.onnxruntime)), engine)
    assert found.state == "not"
    assert found.why == "the ONNX Runtime that is installed is a build for CPUs"
    assert found.remedies == (f"pip uninstall -y onnxruntime && {install_hint('gpu')}",)


def test_each_cause_is_told_with_its_remedy_the_first_one_first(host: HostFacts) -> None:
    assert host.libraries is not None
    reason = "libcuda.so.1: cannot open shared object file"
    providers = (
        host.onnxruntime.providers[0],
        ProviderFacts("cuda", "CUDAExecutionProvider", True, False, reason),
        ProviderFacts("tensorrt", "TensorrtExecutionProvider", True, False, reason),
    )
    broken = replace(
        host,
        onnxruntime=replace(host.onnxruntime, providers=providers),
        gpus=replace(host.gpus, gpus=(), lacks=(NO_GPU,)),
        libraries=replace(
            host.libraries,
            cuda_lacks=(Lack("cuDNN cannot be loaded", install_hint("gpu")),),
            tensorrt_lacks=(Lack("TensorRT 10 cannot be loaded", remedies.tensorrt()),),
        ),
    )
    cuda = verdict(broken, "cuda")
    assert cuda.why == (
        f"no NVIDIA GPU is seen; cuDNN cannot be loaded; ONNX Runtime says: {reason}"
    )
    assert cuda.remedies == (remedies.CONTAINER, install_hint("gpu"))
    tensorrt = verdict(broken, "tensorrt")
    assert "TensorRT 10 cannot be loaded" in tensorrt.why
    assert "pip install 'tensorrt-cu13>=10,<11'" in tensorrt.remedies


def test_a_failure_that_nothing_explains_is_told_as_onnx_runtime_says_it(host: HostFacts) -> None:
    cpu, cuda, tensorrt = host.onnxruntime.providers
    reason = "Fail: no kernel image is available for execution on the device"
    providers = (cpu, replace(cuda, loads=False, reason=reason), tensorrt)
    broken = replace(host, onnxruntime=replace(host.onnxruntime, providers=providers))
    found = verdict(broken, "cuda")
    assert (found.state, found.why) == ("not", f"ONNX Runtime says: {reason}")
    assert found.remedies == (remedies.ONNXRUNTIME_DEBUG,)


def test_a_session_that_ran_is_believed_whatever_else_is_missing(host: HostFacts) -> None:
    bare = replace(host, gpus=replace(host.gpus, source=None, gpus=(), lacks=(NO_GPU,)))
    assert verdict(bare, "cuda").state == "well"


@pytest.mark.parametrize(
    ("capability", "state"), [("6.1", "slowly"), ("7.0", "well"), ("12.0", "well"), (None, "well")]
)
def test_a_gpu_without_tensor_cores_is_slow(
    host: HostFacts, capability: str | None, state: str
) -> None:
    gpu = Gpu("NVIDIA GPU", None, capability)
    assert verdict(replace(host, gpus=replace(host.gpus, gpus=(gpu,))), "cuda").state == state


def test_a_tool_that_is_missing_keeps_no_engine_from_running(host: HostFacts) -> None:
    lack = Lack("NVML does not tell of the GPUs", install_hint("nvidia-ml-py"))
    runtime = on_cpus_only(host.onnxruntime)
    with_lack = replace(host, onnxruntime=runtime, gpus=replace(host.gpus, lacks=(lack,)))
    assert install_hint("nvidia-ml-py") not in verdict(with_lack, "cuda").remedies


@pytest.mark.parametrize("engine", ["cuda", "tensorrt"])
def test_where_nobody_wants_a_gpu_there_is_no_advice_on_one(
    host: HostFacts, engine: EngineName
) -> None:
    runtime = on_cpus_only(host.onnxruntime)
    bare = replace(host, onnxruntime=runtime, gpus=replace(host.gpus, gpus=()), libraries=None)
    assert verdict(bare, engine) == EngineVerdict(engine, "not", "no NVIDIA GPU is seen")
