"""Variants of a bundle for TensorRT, whose engines are built ahead of time for one GPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx

from takt.core.bundles.bundle import INPUT, Bundle
from takt.core.engines.nvidia.cuda import fixed_sizes
from takt.core.engines.nvidia.gpu import read_gpu
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.engines.provider_check import (
    check_provider,
    cuda_major,
    first_line,
    import_runtime,
)
from takt.core.engines.provider_options import GpuOptions, provider_options
from takt_export.errors import ExportError
from takt_export.variants.search import ConvertedGraph, Images, Maker, Tell, VariantOptions
from takt_export.variants.tensorrt_graph import CONTEXT_OP, cast_before_transpose
from takt_export.variants.tensorrt_ranges import write_ranges
from takt_export.versions import package_versions


class TensorRtMaker(Maker):
    """Builds an engine for this host's GPU; what int8 leaves over runs in fp16.

    Args:
        bundle: as it was loaded.
        options: with any precision.
        tell: takes lines about what is going on.
        opt_batch: the batch size that the engine is tuned for.
        max_batch: the largest batch that it takes; the bundle's own limit, if that is less.
        device_id: the GPU.
        timing_cache: folder for what TensorRT timed, so that the next build is quicker; nothing is
            kept if None.

    Raises:
        ConfigurationError: this host has no GPU or no TensorRT.
    """

    name = "tensorrt"
    engine = "onnxruntime"
    provider = "tensorrt"
    mixes = False

    def __init__(
        self,
        bundle: Bundle,
        options: VariantOptions,
        tell: Tell,
        *,
        opt_batch: int = 8,
        max_batch: int = 16,
        device_id: int = 0,
        timing_cache: Path | None = None,
    ) -> None:
        super().__init__(bundle, options, tell)
        self._runtime = import_runtime("tensorrt")
        check_provider(self._runtime, "tensorrt", device_id)
        self._gpu = read_gpu(device_id, cuda_major(self._runtime))
        self._max_batch = min(max_batch, bundle.manifest.max_batch_size or max_batch)
        self._opt_batch = min(opt_batch, self._max_batch)
        self._device_id = device_id
        self._timing_cache = timing_cache
        self.facts = {
            "max_batch_size": self._max_batch,
            "built_for": self._gpu,
            "made_with": package_versions() | {"onnxruntime": self._runtime.__version__},
        }

    def make(self, images: Images, folder: Path, kept: Sequence[str]) -> ConvertedGraph:
        """Let TensorRT build an engine, which takes minutes.

        Raises:
            ExportError: it could not be built, or TensorRT took no part of the graph.
        """
        folder.mkdir(parents=True)
        graph = folder / "model.onnx"
        model = onnx.load(self.bundle.model_path)
        cast_before_transpose(model)
        onnx.save_model(model, graph)
        table = None
        if self.calibrates:
            self.tell("measuring the ranges for 8 bits")
            table = write_ranges(graph, images, folder)
        self.tell(f"building an engine for {self._gpu['gpu']}, which takes minutes")
        context = self._build(graph, folder, table)
        return ConvertedGraph(context, (context,))

    def open(self, converted: ConvertedGraph) -> OnnxRuntimeEngine:
        """The engine as the service runs it."""
        gpu = GpuOptions(precision=self.precision, batch_sizes=fixed_sizes(self._max_batch))
        return OnnxRuntimeEngine.open(
            converted.model, provider="tensorrt", device_id=self._device_id, gpu=gpu
        )

    def _build(self, graph: Path, folder: Path, ranges: Path | None) -> Path:
        """Write a graph that holds the engine, by ONNX Runtime's TensorRT provider."""
        timing = self._timing_cache or folder / "timed"
        timing.mkdir(parents=True, exist_ok=True)
        # The provider looks for a graph by this ending.
        context = folder / f"{self.name}-{self.precision}.onnx"
        (name, options), *others = provider_options(
            "tensorrt", device_id=self._device_id, gpu=GpuOptions(precision=self.precision)
        )
        options |= build_options(
            self.bundle.manifest.preprocess.input_size,
            (1, self._opt_batch, self._max_batch),
            context,
            timing,
            ranges,
        )
        session_options = self._runtime.SessionOptions()
        session_options.log_severity_level = 3
        try:
            self._runtime.InferenceSession(
                str(graph),
                session_options,
                providers=[(name, options), *others],
                enable_fallback=0,
            )
            written = onnx.load(context)
        except FileNotFoundError:
            raise ExportError(
                "TensorRT's provider built an engine but wrote no graph with it; it may have left "
                "the model to CUDA, which its log says"
            ) from None
        except Exception as error:
            raise ExportError(
                f"TensorRT could not build the engine: {first_line(error)}"
            ) from error
        if not any(node.op_type == CONTEXT_OP for node in written.graph.node):
            raise ExportError(
                "TensorRT took no part of the model; serve it with engine=cuda, which needs no "
                "export"
            )
        return context.rename(context.with_suffix(".engine"))


def build_options(
    image_size: tuple[int, int],
    batch_sizes: tuple[int, int, int],
    context: Path,
    timing_cache: Path,
    ranges: Path | None,
) -> dict[str, str]:
    """Options of ONNX Runtime's TensorRT provider that build an engine ahead of time.

    Args:
        image_size: (height, width) of the model's input.
        batch_sizes: the smallest, the one that the engine is tuned for, and the largest.
        context: file to write the graph with the engine to.
        timing_cache: folder for timings, which help other models too.
        ranges: file with the ranges for 8 bits.
    """
    height, width = image_size
    shapes = {
        f"trt_profile_{what}_shapes": f"{INPUT}:{batch}x{height}x{width}x3"
        for what, batch in zip(("min", "opt", "max"), batch_sizes, strict=True)
    }
    table = {"trt_int8_calibration_table_name": str(ranges.resolve())} if ranges else {}
    return {
        **shapes,
        "trt_dump_ep_context_model": "1",
        "trt_ep_context_file_path": str(context),
        "trt_ep_context_embed_mode": "1",
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(timing_cache),
        **table,
    }
