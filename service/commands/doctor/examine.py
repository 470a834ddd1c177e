"""The whole host, one section after the other."""

from __future__ import annotations

import platform

from service.commands.doctor.cpu import examine_cpu, examine_memory
from service.commands.doctor.facts import HostFacts
from service.commands.doctor.gpus import examine_gpus
from service.commands.doctor.libraries import examine_libraries
from service.commands.doctor.runtimes import (
    examine_decoding,
    examine_onnxruntime,
    examine_openvino,
)
from service.distribution import version
from service.engines.nvidia.libraries import CUDA_MAJOR


def examine_host() -> HostFacts:
    """Look at everything; what is missing or broken is a fact like any other. Takes seconds."""
    onnxruntime = examine_onnxruntime()
    cuda_major = onnxruntime.cuda_major or CUDA_MAJOR
    return HostFacts(
        takt=version(),
        python=platform.python_version(),
        system=platform.platform(),
        cpu=examine_cpu(),
        memory=examine_memory(),
        onnxruntime=onnxruntime,
        openvino=examine_openvino(),
        gpus=examine_gpus(cuda_major),
        libraries=examine_libraries(cuda_major),
        decoding=examine_decoding(),
    )
