"""Variants of a bundle for TensorRT, whose engines are built ahead of time for one GPU."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx

from export.calibration.pictures_to_use import distinct, leave_out_seen, refuse_in_both, spread
from export.errors import ExportError
from export.pictures import check_pictures
from export.variants.drift_gate import AllowedDrift, check_variant, golden_bounds, measure_variant
from export.variants.tensorrt_graph import cast_first
from export.variants.tensorrt_ranges import TABLE, write_ranges
from export.versions import package_versions
from service.bundles.bundle import Bundle
from service.bundles.variant import Precision, Variant
from service.bundles.writing import add_variant
from service.engines.base import Engine
from service.engines.nvidia.cuda import fixed_sizes
from service.engines.nvidia.gpu import read_gpu
from service.engines.onnxruntime import OnnxRuntimeEngine
from service.engines.provider_check import (
    check_provider,
    cuda_major,
    first_line,
    import_runtime,
)
from service.engines.provider_options import GpuOptions, TensorRtBuild, provider_options

CONTEXT_OP = "EPContext"
"""The node in which ONNX Runtime keeps what a provider compiled."""

CALIBRATION_PICTURES = 128
"""That the ranges of 8 bits are taken from."""

TIMED_RUNS = 50

Tell = Callable[[str], None]


@dataclass(frozen=True)
class TensorRtOptions:
    """What is asked of a variant.

    Attributes:
        precision: that TensorRT may compute in; what 8 bits leave over runs in float16.
        opt_batch: the batch size that it is tuned for.
        max_batch: the largest that it takes.
        device_id: the GPU.
        allowed: the most drift; None for what the precision's bounds say.
        timing_cache: folder for what TensorRT timed, so that the next build is quicker; nothing is
            kept if None.
        threads: of the reference on the CPU; 0 takes every core.
    """

    precision: Precision
    opt_batch: int = 8
    max_batch: int = 16
    device_id: int = 0
    allowed: AllowedDrift | None = None
    timing_cache: Path | None = None
    threads: int = 0


def export_tensorrt(
    bundle: Bundle,
    good: Sequence[Path],
    defects: Sequence[Path],
    options: TensorRtOptions,
    *,
    tell: Tell,
    quiet: bool = False,
) -> Bundle:
    """Build an engine for this host's GPU and add it to a bundle, if it answers like the model.

    Args:
        bundle: as it was loaded.
        good: pictures of good parts, for the ranges of 8 bits and for the comparison.
        defects: pictures of defective parts, for the comparison.
        options: see there.
        tell: takes lines about what is going on.
        quiet: show no progress bar.

    Raises:
        ConfigurationError: this host has no GPU or no TensorRT.
        DriftError: the variant answers too far from the trained model; the bundle stays as it was.
        ExportError: TensorRT could not build the engine.
        PicturesError: a picture cannot be read.
    """
    runtime = import_runtime("tensorrt")
    check_provider(runtime, "tensorrt", options.device_id)
    built_for = read_gpu(options.device_id, cuda_major(runtime))
    options = _within(options, bundle.manifest.max_batch_size)
    digests = distinct(good, tell)
    refuse_in_both(digests, defects)
    check_pictures([*digests, *defects])
    chosen = leave_out_seen(digests, tuple(bundle.calibration.seen.tolist()), tell)
    compared = [*chosen.unseen] or [*chosen.seen]
    with tempfile.TemporaryDirectory(prefix="takt-") as temporary:
        folder = Path(temporary)
        graph = folder / "model.onnx"
        model = onnx.load(bundle.model_path)
        cast_first(model)
        onnx.save_model(model, graph)
        table = None
        if options.precision == "int8":
            tell("measuring the ranges for 8 bits")
            calibrated = spread(chosen.unseen, chosen.seen, CALIBRATION_PICTURES)
            write_ranges(graph, bundle.manifest, calibrated, folder)
            table = folder / TABLE
        tell(f"building an engine for {built_for['gpu']}, which takes minutes")
        context = build_engine(
            runtime,
            graph,
            folder / f"tensorrt-{options.precision}.engine",
            bundle.manifest.preprocess.input_size,
            options,
            table,
        )
        sizes = fixed_sizes(options.max_batch)
        with (
            closing(
                OnnxRuntimeEngine.open(bundle.model_path, threads=options.threads)
            ) as reference,
            closing(
                OnnxRuntimeEngine.open(
                    context,
                    provider="tensorrt",
                    device_id=options.device_id,
                    gpu=GpuOptions(precision=options.precision, batch_sizes=sizes),
                )
            ) as engine,
        ):
            drift = measure_variant(engine, reference, bundle, compared, defects, quiet=quiet)
            check_variant(drift, options.precision, options.allowed)
            variant = Variant(
                name=f"tensorrt-{options.precision}",
                engine="onnxruntime",
                provider="tensorrt",
                precision=options.precision,
                model=context.name,
                files=(context.name,),
                max_batch_size=options.max_batch,
                drift=drift,
                bounds=golden_bounds(engine, bundle),
                images_per_s=_images_per_s(engine, bundle),
                built_for=built_for,
                made_with=package_versions() | {"onnxruntime": runtime.__version__},
                created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            )
        return add_variant(bundle, variant, {context.name: context.read_bytes()})


def build_engine(
    runtime: ModuleType,
    graph: Path,
    context: Path,
    image_size: tuple[int, int],
    options: TensorRtOptions,
    calibration_table: Path | None = None,
) -> Path:
    """Let ONNX Runtime's TensorRT provider build an engine and write the graph that holds it.

    Args:
        runtime: the module `onnxruntime`.
        graph: an ONNX file with the bundle's input and outputs.
        context: the file to write.
        image_size: (height, width) of the graph's input.
        options: see there.
        calibration_table: file with the ranges for 8 bits.

    Returns:
        `context`.

    Raises:
        ExportError: it could not be built, or TensorRT took no part of the graph.
    """
    timing = options.timing_cache or context.parent / "timed"
    timing.mkdir(parents=True, exist_ok=True)
    build = TensorRtBuild(
        image_size=image_size,
        opt_batch=options.opt_batch,
        max_batch=options.max_batch,
        # It looks for a graph by this ending.
        context=context.with_suffix(".onnx"),
        timing_cache=timing,
        calibration_table=calibration_table,
    )
    providers = provider_options(
        "tensorrt",
        device_id=options.device_id,
        gpu=GpuOptions(precision=options.precision),
        build=build,
    )
    session_options = runtime.SessionOptions()
    session_options.log_severity_level = 3
    try:
        runtime.InferenceSession(
            str(graph), session_options, providers=providers, enable_fallback=0
        )
        written = onnx.load(build.context)
    except FileNotFoundError:
        raise ExportError(
            "TensorRT's provider built an engine but wrote no graph with it; it may have left the "
            "model to CUDA, which its log says"
        ) from None
    except Exception as error:
        raise ExportError(f"TensorRT could not build the engine: {first_line(error)}") from error
    if not any(node.op_type == CONTEXT_OP for node in written.graph.node):
        raise ExportError(
            "TensorRT took no part of the model; serve it with engine=cuda, which needs no export"
        )
    build.context.rename(context)
    return context


def _within(options: TensorRtOptions, most: int | None) -> TensorRtOptions:
    """No batch is larger than the model takes, and none that it is tuned for larger than that."""
    largest = min(options.max_batch, most or options.max_batch)
    changed: dict[str, Any] = {
        "max_batch": largest,
        "opt_batch": min(options.opt_batch, largest),
    }
    return TensorRtOptions(**(vars(options) | changed))


def _images_per_s(engine: Engine, bundle: Bundle) -> float:
    """One picture after another, by the median of some runs."""
    image = bundle.golden.images[:1]
    times = []
    for _ in range(TIMED_RUNS):
        started_s = time.perf_counter()
        engine.infer(image)
        times.append(time.perf_counter() - started_s)
    return 1 / float(np.median(times))
