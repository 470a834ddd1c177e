"""A host on which everything runs; tests take away what they are about."""

from __future__ import annotations

import pytest

from takt.commands.doctor.facts import (
    CpuFacts,
    CpuFlag,
    DecodingFacts,
    DeviceFacts,
    Gpu,
    GpuFacts,
    HostFacts,
    LibrariesFacts,
    LibraryFacts,
    MemoryFacts,
    OnnxRuntimeFacts,
    OpenVinoFacts,
    ProviderFacts,
)

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


@pytest.fixture
def host() -> HostFacts:
    return HostFacts(
        takt="1.0",
        python="3.11",
        system="Linux",
        cpu=CpuFacts(
            model="AMD EPYC",
            architecture="x86_64",
            cores=8,
            usable_cores=2,
            flags=tuple(CpuFlag(name, not name.startswith("amx"), "speed") for name in FLAGS),
        ),
        memory=MemoryFacts(total_bytes=8 << 30, available_bytes=4 << 30, limit_bytes=2 << 30),
        onnxruntime=OnnxRuntimeFacts(
            packages=("onnxruntime-gpu 1.31.1",),
            version="1.31.1",
            cuda_major=13,
            listed=(
                "TensorrtExecutionProvider",
                "CUDAExecutionProvider",
                "CPUExecutionProvider",
            ),
            providers=(
                ProviderFacts("cpu", "CPUExecutionProvider", True, True, ""),
                ProviderFacts("cuda", "CUDAExecutionProvider", True, True, ""),
                ProviderFacts("tensorrt", "TensorrtExecutionProvider", True, True, ""),
            ),
            lacks=(),
        ),
        openvino=OpenVinoFacts(
            "2026.4.1", (DeviceFacts("CPU", "AMD EPYC", ("BF16", "FP32", "INT8")),), True, ()
        ),
        gpus=GpuFacts("NVML", "580.95", "13.0", (Gpu("NVIDIA L4", 24 << 30, "8.9"),), 1, ()),
        libraries=LibrariesFacts(
            cuda=(
                LibraryFacts("cuDNN", "libcudnn.so.9", "nvidia-cudnn-cu13", "9.2", "9.2", True, ""),
            ),
            tensorrt=(
                LibraryFacts(
                    "TensorRT", "libnvinfer.so.10", "tensorrt-cu13-libs", None, "10.1", True, ""
                ),
            ),
            cuda_lacks=(),
            tensorrt_lacks=(),
        ),
        decoding=DecodingFacts("5.0.0", "libjpeg-turbo (ver 3.1)", ()),
    )
