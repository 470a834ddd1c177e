"""Options of ONNX Runtime's providers, as the strings that they take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from takt.core.bundles.variant import Precision, Provider

PROVIDERS: dict[Provider, tuple[str, ...]] = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": (
        "TensorrtExecutionProvider",
        "CUDAExecutionProvider",
        "CPUExecutionProvider",
    ),
}
"""ONNX Runtime's providers for each choice; a later one runs what the earlier ones cannot."""

NamedOptions = tuple[str, dict[str, str]]
"""A provider's name and its options, the pair that ONNX Runtime takes."""


_PRECISIONS: dict[Precision, dict[str, str]] = {
    "fp32": {},
    "fp16": {"trt_fp16_enable": "1"},
    "bf16": {"trt_bf16_enable": "1"},
    # What is not in 8 bits runs in float16, as TensorRT advises.
    "int8": {"trt_int8_enable": "1", "trt_fp16_enable": "1"},
}


@dataclass(frozen=True)
class GpuOptions:
    """How an engine uses a GPU.

    Attributes:
        precision: that TensorRT may compute in when it builds an engine.
        batch_sizes: of the batches that run, ascending; others are padded to the next size.
        cuda_graphs: whether each size is captured once as a CUDA graph and launched as one
            afterwards. TensorRT's provider keeps one graph only, for a single batch size.
        engine_cache: folder for the engines that TensorRT builds and for its timings.
    """

    precision: Precision = "fp32"
    batch_sizes: tuple[int, ...] = (1, 2, 4, 8)
    cuda_graphs: bool = False
    engine_cache: Path | None = None


def provider_options(
    provider: Provider,
    *,
    device_id: int = 0,
    stream: int = 0,
    gpu: GpuOptions | None = None,
) -> list[NamedOptions]:
    """The providers of a choice with their options, in order.

    Args:
        provider: the choice.
        device_id: the GPU.
        stream: the CUDA stream to run on; the session makes its own if 0.
        gpu: how the GPU is used; the defaults if None.
    """
    gpu = gpu or GpuOptions()
    of_gpu = {"device_id": str(device_id)}
    if stream:
        of_gpu["user_compute_stream"] = str(stream)
    graphs = gpu.cuda_graphs
    options: Mapping[str, dict[str, str]] = {
        "TensorrtExecutionProvider": of_gpu
        | _PRECISIONS[gpu.precision]
        | _cache(gpu.engine_cache)
        | ({"trt_cuda_graph_enable": "1"} if graphs else {}),
        "CUDAExecutionProvider": of_gpu
        | {
            # The GPU multiplies in full float32, as training did.
            "use_tf32": "0",
            "cudnn_conv_algo_search": "EXHAUSTIVE",
        }
        | ({"enable_cuda_graph": "1"} if graphs and provider == "cuda" else {}),
        "CPUExecutionProvider": {},
    }
    return [(name, options[name]) for name in PROVIDERS[provider]]


def _cache(folder: Path | None) -> dict[str, str]:
    if folder is None:
        return {}
    return {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
    }
