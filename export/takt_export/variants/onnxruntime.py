"""Variants of a bundle for ONNX Runtime: 8 bits for CPUs, and float16 for NVIDIA GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx

from takt.core.bundles.bundle import Bundle
from takt.core.domain import Batch
from takt.core.engines.layers import LayerError
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.engines.provider_check import check_provider, import_runtime
from takt.core.errors import ConfigurationError
from takt_export.variants.onnx_fp16 import halve_onnx
from takt_export.variants.onnx_int8 import quantize_onnx
from takt_export.variants.onnx_layers import onnx_layer_errors
from takt_export.variants.onnx_rounding import rounding_in_float32
from takt_export.variants.search import (
    ConvertedGraph,
    Images,
    Maker,
    Tell,
    VariantOptions,
    named_by_content,
)


class OnnxRuntimeMaker(Maker):
    """Converts to int8 for CPUs, or to fp16 for CUDA.

    On a host without a GPU, a graph that rounds as fp16 does is compared in its place, on the CPU.
    """

    name = "onnxruntime"
    engine = "onnxruntime"

    def __init__(self, bundle: Bundle, options: VariantOptions, tell: Tell) -> None:
        super().__init__(bundle, options, tell)
        if options.precision == "fp16":
            self.provider = "cuda"
            self.timed = _has_gpu(tell)

    def make(self, images: Images, folder: Path, kept: Sequence[str]) -> ConvertedGraph:
        """Write a graph.

        Raises:
            ExportError: the graph cannot be converted.
        """
        folder.mkdir(parents=True)
        written = folder / "graph.onnx"
        if self.calibrates:
            quantize_onnx(self.bundle.model_path, images, written, kept)
        else:
            halve_onnx(self.bundle.model_path, written, kept)
        files = named_by_content(f"{self.name}-{self.precision}", written)
        return ConvertedGraph(files[0], files)

    def open(self, converted: ConvertedGraph) -> OnnxRuntimeEngine:
        """The graph on one core or GPU, or its stand-in on every core."""
        if self.timed:
            return OnnxRuntimeEngine.open(converted.model, provider=self.provider, threads=1)
        return OnnxRuntimeEngine.open(_rounding(converted.model), threads=self.options.threads)

    def layer_errors(self, converted: ConvertedGraph, images: Batch) -> Sequence[LayerError]:
        """Compare the layers on the CPU."""
        computed = converted.model if self.calibrates else _rounding(converted.model)
        return onnx_layer_errors(self.bundle.model_path, computed, images)


def _rounding(halved: Path) -> Path:
    """A graph beside it that rounds on the CPU as it does on a GPU."""
    written = halved.with_suffix(".rounding.onnx")
    if not written.exists():
        onnx.save_model(rounding_in_float32(onnx.load(halved)), written)
    return written


def _has_gpu(tell: Tell) -> bool:
    try:
        check_provider(import_runtime("cuda"), "cuda")
    except ConfigurationError as error:
        tell(f"comparing on the CPU, by a graph that rounds to float16 where a GPU does: {error}")
        return False
    return True
