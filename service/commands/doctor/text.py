"""Writes the report for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from service.commands.doctor.facts import (
    CpuFacts,
    GpuFacts,
    HostFacts,
    Lack,
    LibrariesFacts,
    MemoryFacts,
    OnnxRuntimeFacts,
    OpenVinoFacts,
)
from service.commands.doctor.verdicts import EngineVerdict

_WIDTH = 110
_GIB = 1 << 30


def report(host: HostFacts, verdicts: Sequence[EngineVerdict]) -> str:
    """Report with all sections and the summary at the end."""
    sections = (
        [f"Takt {host.takt}, Python {host.python}, {host.system}"],
        _cpu(host.cpu),
        _memory(host.memory),
        _onnxruntime(host.onnxruntime),
        _openvino(host.openvino),
        _gpus(host.gpus),
        _libraries(host.libraries, wanted=bool(host.gpus.gpus or host.gpus.on_pci)),
        _decoding(host),
        _summary(verdicts),
    )
    return "\n\n".join("\n".join(section) for section in sections)


def _cpu(cpu: CpuFacts) -> Iterator[str]:
    yield f"CPU: {cpu.model} ({cpu.architecture}), {cpu.usable_cores} of {cpu.cores} cores usable"
    for flag in cpu.flags:
        yield _row("yes" if flag.present else "no", 4, flag.name, 14, flag.buys)
    if not cpu.flags:
        yield "  its flags are not told by this system"


def _memory(memory: MemoryFacts) -> Iterator[str]:
    parts = [
        f"{_gib(size)} {what}"
        for size, what in (
            (memory.total_bytes, "in all"),
            (memory.available_bytes, "available"),
            (memory.limit_bytes, "allowed to this container"),
        )
        if size is not None
    ]
    yield f"Memory: {', '.join(parts) or 'not told by this system'}"


def _onnxruntime(runtime: OnnxRuntimeFacts) -> Iterator[str]:
    built = f", built with CUDA {runtime.cuda_major}" if runtime.cuda_major else ""
    packages = f" ({' and '.join(runtime.packages)})" if runtime.packages else ""
    yield f"ONNX Runtime: {runtime.version or 'none'}{packages}{built}"
    for one in runtime.providers:
        if one.loads:
            state, told = "loads", ""
        elif one.listed:
            state, told = "fails", f"is listed, but does not load: {one.reason}"
        else:
            state, told = "absent", "is not in this build"
        yield _row(state, 8, one.name, 26, told)
    known = {one.name for one in runtime.providers}
    others = [name for name in runtime.listed if name not in known]
    if others:
        yield f"  also listed, and of no use to Takt: {', '.join(others)}"
    yield from _lacks(runtime.lacks)


def _openvino(openvino: OpenVinoFacts) -> Iterator[str]:
    yield f"OpenVINO: {openvino.version or 'none'}"
    for device in openvino.devices:
        yield _row("", 0, device.name, 8, f"{device.full_name}: {' '.join(device.capabilities)}")
    yield from _lacks(openvino.lacks)


def _gpus(gpus: GpuFacts) -> Iterator[str]:
    if gpus.source:
        serves = f", serves CUDA {gpus.cuda}" if gpus.cuda else ""
        yield f"NVIDIA GPUs: driver {gpus.driver or 'unknown'}{serves} (told by {gpus.source})"
    else:
        yield "NVIDIA GPUs: none"
    for gpu in gpus.gpus:
        parts = [
            _gib(gpu.memory_bytes) if gpu.memory_bytes is not None else "",
            f"compute capability {gpu.compute_capability}" if gpu.compute_capability else "",
        ]
        yield f"  {', '.join(part for part in (gpu.name, *parts) if part)}"
    yield from _lacks(gpus.lacks)


def _libraries(libraries: LibrariesFacts, *, wanted: bool) -> Iterator[str]:
    yield "NVIDIA libraries" + ("" if wanted else ": of use with an NVIDIA GPU only")
    for one in (*libraries.cuda, *libraries.tensorrt):
        source = f"from {one.package} {one.wheel}" if one.wheel else "from the system"
        told = f"{one.version or 'of unknown version'}, {source}" if one.loads else one.reason
        yield _row("loads" if one.loads else "fails", 8, one.name, 18, told)
    yield from _lacks((*libraries.cuda_lacks, *libraries.tensorrt_lacks))


def _decoding(host: HostFacts) -> Iterator[str]:
    jpeg = f", JPEG by {host.decoding.jpeg}" if host.decoding.jpeg else ""
    yield f"OpenCV: {host.decoding.opencv or 'none'}{jpeg}"
    yield from _lacks(host.decoding.lacks)


def _summary(verdicts: Iterable[EngineVerdict]) -> Iterator[str]:
    yield "What this host runs"
    for verdict in verdicts:
        yield _row(verdict.state, 8, verdict.engine, 12, verdict.why)
        for remedy in verdict.remedies:
            yield _row("", 8, "", 12, f"-> {remedy}")


def _lacks(lacks: Iterable[Lack]) -> Iterator[str]:
    for lack in lacks:
        yield _row("!", 2, "", 0, lack.what)
        yield _row("", 2, "", 0, f"-> {lack.remedy}")


def _row(first: str, first_width: int, second: str, second_width: int, told: str) -> str:
    """Two columns and a text, whose further lines stand below its first one."""
    head = f"  {first:<{first_width}}{second:<{second_width}}"
    lines = textwrap.wrap(
        told,
        _WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines) or head.rstrip()


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / _GIB:.1f} GiB"
