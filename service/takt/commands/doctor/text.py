"""Writes the report for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from takt.commands.doctor.facts import (
    CpuFacts,
    GpuFacts,
    HostFacts,
    LibrariesFacts,
    MemoryFacts,
    OnnxRuntimeFacts,
    OpenVinoFacts,
)
from takt.commands.doctor.verdicts import EngineVerdict

_WIDTH = 80
_GIB = 1 << 30


def report(host: HostFacts, verdicts: Sequence[EngineVerdict]) -> str:
    """Report: what runs, what is missing, then what was found, without the advice."""
    sections = [
        _summary(verdicts),
        _missing(host, verdicts),
        [f"Takt {host.takt}, Python {host.python}, {host.system}"],
        _cpu(host.cpu),
        _memory(host.memory),
        _onnxruntime(host.onnxruntime, absent=host.libraries is not None),
        _openvino(host.openvino),
        _gpus(host.gpus),
        _libraries(host.libraries) if host.libraries else [],
        _decoding(host),
    ]
    return "\n\n".join(text for section in sections if (text := "\n".join(section)))


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


def _onnxruntime(runtime: OnnxRuntimeFacts, *, absent: bool) -> Iterator[str]:
    built = f", built with CUDA {runtime.cuda_major}" if runtime.cuda_major else ""
    packages = f" ({' and '.join(runtime.packages)})" if runtime.packages else ""
    yield f"ONNX Runtime: {runtime.version or 'none'}{packages}{built}"
    for one in runtime.providers:
        if one.loads:
            state, told = "loads", ""
        elif one.listed:
            state, told = "fails", f"is listed, but does not load: {one.reason}"
        elif absent:
            state, told = "absent", "is not in this build"
        else:
            continue
        yield _row(state, 8, one.name, 26, told)
    known = {one.name for one in runtime.providers}
    others = [name for name in runtime.listed if name not in known]
    if others:
        yield f"  also listed, and of no use to Takt: {', '.join(others)}"


def _openvino(openvino: OpenVinoFacts) -> Iterator[str]:
    yield f"OpenVINO: {openvino.version or 'none'}"
    for device in openvino.devices:
        yield _row("", 0, device.name, 8, f"{device.full_name}: {' '.join(device.capabilities)}")


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


def _libraries(libraries: LibrariesFacts) -> Iterator[str]:
    yield "NVIDIA libraries"
    for one in (*libraries.cuda, *libraries.tensorrt):
        source = f"from {one.package} {one.wheel}" if one.wheel else "from the system"
        told = f"{one.version or 'of unknown version'}, {source}" if one.loads else one.reason
        yield _row("loads" if one.loads else "fails", 8, one.name, 18, told)


def _decoding(host: HostFacts) -> Iterator[str]:
    jpeg = f", JPEG by {host.decoding.jpeg}" if host.decoding.jpeg else ""
    yield f"OpenCV: {host.decoding.opencv or 'none'}{jpeg}"


def _summary(verdicts: Sequence[EngineVerdict]) -> Iterator[str]:
    yield "What this host runs"
    for verdict in verdicts:
        yield _row(verdict.state, 8, verdict.engine, 12, verdict.why)


def _missing(host: HostFacts, verdicts: Sequence[EngineVerdict]) -> Iterator[str]:
    """Each remedy once, with all that it is for; a command stays on one line, to be copied."""
    engines: dict[str, list[str]] = {}
    for verdict in verdicts:
        for remedy in verdict.remedies:
            engines.setdefault(remedy, []).append(verdict.engine)
    wanted = {remedy: f"for {', '.join(names)}" for remedy, names in engines.items()}
    of_gpus = host.gpus.lacks if host.libraries else ()
    lacks = (*host.onnxruntime.lacks, *host.openvino.lacks, *host.decoding.lacks, *of_gpus)
    wanted = {lack.remedy: lack.what for lack in lacks} | wanted
    hint = "" if host.libraries else "; `takt doctor --gpu` tells what a GPU would need"
    if not wanted:
        yield f"Nothing is missing{hint}"
        return
    yield f"What is missing{hint}"
    for remedy, reason in wanted.items():
        yield _row("", 0, "", 0, reason)
        yield f"    -> {remedy}"


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
