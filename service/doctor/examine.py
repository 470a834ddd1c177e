"""The whole host, one section after the other."""

from __future__ import annotations

import platform

from service.doctor.cpu import examine_cpu, examine_memory
from service.doctor.facts import HostFacts
from service.doctor.gpus import examine_gpus
from service.doctor.libraries import examine_libraries
from service.doctor.runtimes import (
    examine_decoding,
    examine_onnxruntime,
    examine_openvino,
    version_of,
)
from service.nvidia_libraries import CUDA_MAJOR


def examine_host() -> HostFacts:
    """Look at everything; what is missing or broken is a fact like any other. Takes seconds."""
    onnxruntime = examine_onnxruntime()
    cuda_major = onnxruntime.cuda_major or CUDA_MAJOR
    return HostFacts(
        takt=version_of("takt") or "unknown",
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
