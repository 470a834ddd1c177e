"""`takt doctor`."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict
from typing import get_args

import click

from takt.commands.doctor.cpu import examine_cpu, examine_memory
from takt.commands.doctor.facts import HostFacts
from takt.commands.doctor.gpus import examine_gpus
from takt.commands.doctor.libraries import examine_libraries
from takt.commands.doctor.runtimes import (
    examine_decoding,
    examine_onnxruntime,
    examine_openvino,
)
from takt.commands.doctor.text import report
from takt.commands.doctor.verdicts import EngineName, EngineVerdict, judge
from takt.core.distribution import version
from takt.core.engines.nvidia.libraries import CUDA_MAJOR

_ON_GPU: frozenset[EngineName] = frozenset({"cuda", "tensorrt"})


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print all that was found as JSON.")
@click.option(
    "--require",
    "required",
    multiple=True,
    type=click.Choice(get_args(EngineName)),
    help="End with 1 if this engine cannot run here; can be given again.",
)
@click.option(
    "--gpu",
    is_flag=True,
    help="Look at what an NVIDIA GPU needs although none is seen.  [default: only where there is "
    "one, a part of its driver or ONNX Runtime's build for it, or --require names cuda or "
    "tensorrt]",
)
def doctor(as_json: bool, required: tuple[EngineName, ...], gpu: bool) -> None:
    """Tell which engines this host runs well, slowly or not, and what is missing for them.

    Runtimes and drivers are really loaded and run, each in a process of its own; what is missing
    or broken is told, and the doctor goes on. Ends with 0 unless a required engine cannot run.
    """
    host = examine_host(gpu=gpu or not _ON_GPU.isdisjoint(required))
    verdicts = judge(host)
    click.echo(_json(host, verdicts) if as_json else report(host, verdicts))
    refused = [one for one in verdicts if one.engine in required and one.state == "not"]
    for verdict in refused:
        click.echo(f"{verdict.engine} cannot run here: {verdict.why}", err=True)
    if refused:
        sys.exit(1)


def examine_host(*, gpu: bool = False) -> HostFacts:
    """Examines everything, which takes seconds; what is missing or broken raises nothing.

    Args:
        gpu: whether NVIDIA's libraries are examined although there is no sign of a GPU.
    """
    onnxruntime = examine_onnxruntime()
    cuda_major = onnxruntime.cuda_major or CUDA_MAJOR
    gpus = examine_gpus(cuda_major)
    gpu = gpu or gpus.seen or onnxruntime.cuda_major is not None
    return HostFacts(
        takt=version(),
        python=platform.python_version(),
        system=platform.platform(),
        cpu=examine_cpu(),
        memory=examine_memory(),
        onnxruntime=onnxruntime,
        openvino=examine_openvino(),
        gpus=gpus,
        libraries=examine_libraries(cuda_major) if gpu else None,
        decoding=examine_decoding(),
    )


def _json(host: HostFacts, verdicts: tuple[EngineVerdict, ...]) -> str:
    engines = [asdict(verdict) for verdict in verdicts]
    return json.dumps({"host": asdict(host), "engines": engines}, indent=2, ensure_ascii=False)
