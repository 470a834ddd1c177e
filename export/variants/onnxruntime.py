"""Variants of a bundle for ONNX Runtime: 8 bits for CPUs, and float16 for NVIDIA GPUs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from export.variants.onnx_fp16 import halve_onnx
from export.variants.onnx_int8 import quantize_onnx
from export.variants.onnx_layers import onnx_layer_errors
from export.variants.onnx_rounding import rounding_in_float32
from export.variants.search import Candidate, Images, Tell, VariantOptions, export_variant
from service.bundles.bundle import Bundle
from service.bundles.variant import EngineKind, Precision, Provider
from service.engines.layers import LayerError
from service.engines.onnxruntime import OnnxRuntimeEngine
from service.engines.provider_check import check_provider, import_runtime
from service.errors import ConfigurationError

NAMES_DIFFER_BY = 8
"""Digits of the digest in a file's name."""


def export_onnxruntime(
    bundle: Bundle,
    good: Sequence[Path],
    defects: Sequence[Path],
    options: VariantOptions,
    *,
    tell: Tell,
    quiet: bool = False,
) -> Bundle:
    """Add a variant for ONNX Runtime to a bundle, if it answers like the trained model.

    int8 is for CPUs. fp16 is for CUDA; on a host without a GPU, a graph that rounds alike is
    compared in its place, on the CPU.

    Args:
        bundle: as it was loaded.
        good: pictures of good parts; see `export_variant`.
        defects: pictures of defective parts, for the comparison.
        options: with a precision of int8 or fp16.
        tell: takes lines about what is going on.
        quiet: show no progress bar.

    Raises:
        ExportError: the graph cannot be converted.
        CalibrationError, DriftError, PicturesError: see `export_variant`.
    """
    runs_on: Literal["cpu", "cuda"] = "cpu"
    if options.precision == "fp16":
        runs_on = _gpu_or_cpu(tell)
    maker = _OnnxMaker(bundle, options.precision, runs_on, options.threads)
    return export_variant(bundle, good, defects, options, maker, tell=tell, quiet=quiet)


@dataclass(frozen=True)
class _OnnxMaker:
    """Writes ONNX files; `runs_on` is where they are compared."""

    bundle: Bundle
    precision: Precision
    runs_on: Literal["cpu", "cuda"]
    threads: int
    engine: EngineKind = "onnxruntime"
    keeps: bool = True

    @property
    def provider(self) -> Provider:
        return "cuda" if self.precision == "fp16" else "cpu"

    @property
    def calibrates(self) -> bool:
        return self.precision == "int8"

    @property
    def timed(self) -> bool:
        return self.runs_on == self.provider

    def make(self, images: Images, folder: Path, kept: Sequence[str]) -> Candidate:
        folder.mkdir(parents=True)
        written = folder / "graph.onnx"
        if self.precision == "int8":
            quantize_onnx(self.bundle.model_path, images, written, kept)
        else:
            halve_onnx(self.bundle.model_path, written, kept)
        digest = hashlib.sha256(written.read_bytes()).hexdigest()[:NAMES_DIFFER_BY]
        named = written.rename(folder / f"{self.engine}-{self.precision}-{digest}.onnx")
        return Candidate(named, (named,))

    def open(self, candidate: Candidate) -> OnnxRuntimeEngine:
        if self.timed:
            return OnnxRuntimeEngine.open(candidate.model, provider=self.provider, threads=1)
        return OnnxRuntimeEngine.open(_rounding(candidate.model), threads=self.threads)

    def layer_errors(self, candidate: Candidate, images: NDArray[np.uint8]) -> Sequence[LayerError]:
        computed = candidate.model if self.precision == "int8" else _rounding(candidate.model)
        return onnx_layer_errors(self.bundle.model_path, computed, images)


def _rounding(halved: Path) -> Path:
    """A graph beside it that rounds on the CPU as it does on a GPU."""
    written = halved.with_suffix(".rounding.onnx")
    if not written.exists():
        onnx.save_model(rounding_in_float32(onnx.load(halved)), written)
    return written


def _gpu_or_cpu(tell: Tell) -> Literal["cpu", "cuda"]:
    try:
        check_provider(import_runtime("cuda"), "cuda")
    except ConfigurationError as error:
        tell(f"comparing on the CPU, by a graph that rounds to float16 where a GPU does: {error}")
        return "cpu"
    return "cuda"
