"""Judges which engines this host runs well, slowly or not, and says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from takt.commands.doctor import remedies
from takt.commands.doctor.cpu import BF16_FLAGS, INT8_FLAGS
from takt.commands.doctor.facts import CpuFacts, Gpu, HostFacts, Lack, LibrariesFacts
from takt.commands.doctor.gpus import NO_GPU
from takt.core.distribution import install_hint

EngineName = Literal["cpu-fp32", "cpu-bf16", "cpu-int8", "openvino", "cuda", "tensorrt"]
GpuEngine = Literal["cuda", "tensorrt"]
State = Literal["well", "slowly", "not"]

_TENSOR_CORES = (7, 0)


@dataclass(frozen=True, slots=True)
class EngineVerdict:
    """How well one engine would run.

    Attributes:
        engine: name of the engine.
        state: whether it runs.
        why: reason of the state, for people.
        remedies: how to make it run, or run well.
    """

    engine: EngineName
    state: State
    why: str
    remedies: tuple[str, ...] = ()


def judge(host: HostFacts) -> tuple[EngineVerdict, ...]:
    """Verdicts on all engines."""
    return (
        _cpu_fp32(host),
        _cpu_bf16(host),
        _cpu_int8(host),
        _openvino(host),
        _gpu("cuda", host),
        _gpu("tensorrt", host),
    )


def _cpu_fp32(host: HostFacts) -> EngineVerdict:
    runtimes = _cpu_runtimes(host)
    if not runtimes:
        return _refused("cpu-fp32", (*host.onnxruntime.lacks, *host.openvino.lacks))
    return _float32("cpu-fp32", host.cpu, f"by {runtimes}")


def _openvino(host: HostFacts) -> EngineVerdict:
    if not host.openvino.runs:
        return _refused("openvino", host.openvino.lacks)
    return _float32("openvino", host.cpu, f"OpenVINO {host.openvino.version}")


def _float32(engine: EngineName, cpu: CpuFacts, by: str) -> EngineVerdict:
    if cpu.flags and _is_x86(cpu) and not cpu.first_of("avx2"):
        return EngineVerdict(engine, "slowly", f"{by}, on a processor without AVX2")
    vectors = cpu.first_of("avx512f", "avx2")
    return EngineVerdict(engine, "well", f"{by}, with {vectors}" if vectors else by)


def _cpu_bf16(host: HostFacts) -> EngineVerdict:
    if not host.openvino.runs:
        return _refused("cpu-bf16", host.openvino.lacks)
    flag = host.cpu.first_of(*BF16_FLAGS)
    if "BF16" in host.openvino.capabilities and (flag or not host.cpu.flags):
        return EngineVerdict(
            "cpu-bf16", "well", f"by OpenVINO, with {flag or 'BF16 as it lists it'}"
        )
    if flag:
        return EngineVerdict("cpu-bf16", "slowly", f"OpenVINO makes no use of {flag} here")
    missing = _any_of(host.cpu, BF16_FLAGS)
    return EngineVerdict("cpu-bf16", "slowly", f"{missing}: bfloat16 is emulated")


def _cpu_int8(host: HostFacts) -> EngineVerdict:
    runtimes = _cpu_runtimes(host)
    if not runtimes:
        return _refused("cpu-int8", (*host.openvino.lacks, *host.onnxruntime.lacks))
    flag = host.cpu.first_of(*INT8_FLAGS)
    if flag:
        return EngineVerdict("cpu-int8", "well", f"by {runtimes}, with {flag}")
    missing = _any_of(host.cpu, INT8_FLAGS)
    why = f"{missing}: 8-bit products take several steps each, and gain little over float32"
    return EngineVerdict("cpu-int8", "slowly", why)


def _gpu(engine: GpuEngine, host: HostFacts) -> EngineVerdict:
    if host.libraries is None:
        return EngineVerdict(engine, "not", NO_GPU)
    if host.onnxruntime.loads(engine):
        return _on_gpu(engine, host)
    lacks = _gpu_lacks(host, engine, host.libraries)
    if engine == "tensorrt":
        lacks += host.libraries.tensorrt_lacks
    return _refused_gpu(engine, host, lacks)


def _on_gpu(engine: GpuEngine, host: HostFacts) -> EngineVerdict:
    gpu = next(iter(host.gpus.gpus), None)
    name = gpu.name if gpu else "a GPU that the driver does not name"
    if gpu and not _has_tensor_cores(gpu):
        why = f"on {name}, of compute capability {gpu.compute_capability}: no tensor cores for fp16"
        return EngineVerdict(engine, "slowly", why)
    return EngineVerdict(engine, "well", f"on {name}")


def _gpu_lacks(host: HostFacts, provider: GpuEngine, libraries: LibrariesFacts) -> list[Lack]:
    """Reasons why a GPU's provider does not load, the first cause first."""
    runtime = host.onnxruntime
    # A tool that is not installed keeps nobody from running.
    lacks = [lack for lack in host.gpus.lacks if lack.remedy != install_hint("nvidia-ml-py")]
    found = runtime.provider(provider)
    if runtime.version is None and not runtime.packages:
        lacks.append(Lack("ONNX Runtime is not installed", install_hint("gpu")))
    elif found is None:
        lacks.extend(runtime.lacks)
    elif not found.listed:
        what = "the ONNX Runtime that is installed is a build for CPUs"
        several = len(runtime.packages) > 1
        lacks.append(Lack(what, remedies.ONE_BUILD if several else remedies.to_gpu_build()))
    else:
        lacks.extend(libraries.cuda_lacks)
    return lacks


def _refused_gpu(provider: GpuEngine, host: HostFacts, lacks: Sequence[Lack]) -> EngineVerdict:
    """Verdict "not", with ONNX Runtime's own words if it tried."""
    found = host.onnxruntime.provider(provider)
    if found is None or not found.reason:
        return _refused(provider, lacks)
    says = f"ONNX Runtime says: {found.reason}"
    if not lacks:
        return EngineVerdict(provider, "not", says, (remedies.ONNXRUNTIME_DEBUG,))
    refused = _refused(provider, lacks)
    return replace(refused, why=f"{refused.why}; {says}")


def _refused(engine: EngineName, lacks: Sequence[Lack]) -> EngineVerdict:
    whys = dict.fromkeys(lack.what for lack in lacks)
    return EngineVerdict(
        engine, "not", "; ".join(whys), tuple(dict.fromkeys(lack.remedy for lack in lacks))
    )


def _cpu_runtimes(host: HostFacts) -> str:
    names = []
    if host.onnxruntime.loads("cpu"):
        names.append("ONNX Runtime")
    if host.openvino.runs:
        names.append("OpenVINO")
    return " or ".join(names)


def _any_of(cpu: CpuFacts, flags: Sequence[str]) -> str:
    if not cpu.flags:
        return "this system does not tell the processor's flags, so expect the worst"
    known = {flag.name for flag in cpu.flags}
    return f"the processor has no {' or '.join(flag for flag in flags if flag in known)}"


def _is_x86(cpu: CpuFacts) -> bool:
    return any(flag.name == "avx2" for flag in cpu.flags)


def _has_tensor_cores(gpu: Gpu) -> bool:
    if gpu.compute_capability is None:
        return True
    numbers = tuple(int(part) for part in gpu.compute_capability.split(".") if part.isdecimal())
    return not numbers or numbers >= _TENSOR_CORES
