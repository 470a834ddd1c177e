"""`takt export openvino`, `onnxruntime` and `tensorrt`: variants of a bundle that is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from export.commands.options import FOLDER, QUIET, THREADS, Command, plain_errors

if TYPE_CHECKING:
    from export.variants.search import VariantOptions
    from service.bundles.bundle import Bundle
    from service.bundles.manifest import Manifest
    from service.bundles.variant import Precision, Variant

    Export = Callable[..., Bundle]


_HEAD = (
    "variant",
    "images/s",
    "score drift",
    "map drift",
    "verdicts turned",
    "image AUROC",
    "kept",
)


def pictures_and_gate(command: Command) -> Command:
    """BUNDLE, --good, --defects, --auto-mixed, --allow-drift, --threads and --quiet."""
    for option in (
        QUIET,
        THREADS,
        click.option(
            "--allow-drift",
            type=click.FloatRange(min=0, min_open=True),
            default=1.0,
            show_default=True,
            metavar="FACTOR",
            help="Widen what is let through by this factor.",
        ),
        click.option(
            "--auto-mixed",
            is_flag=True,
            help="If the drift is too much, keep the layers where it begins in higher precision.",
        ),
        click.option(
            "--defects",
            type=FOLDER,
            help="Pictures of defective parts: compared too, and then the image AUROC may not "
            "fall.",
        ),
        click.option(
            "--good",
            type=FOLDER,
            required=True,
            help="Pictures of good parts: some hundred, as varied as the line's. They give the "
            "ranges of 8 bits, and the variant is compared with the trained model on them.",
        ),
    ):
        command = option(command)
    return click.argument("bundle", type=FOLDER)(command)


@click.command()
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "int8"]),
    default="int8",
    show_default=True,
    help="To compute in. int8 is quantised on the good pictures; fp32 and bf16 run the bundle's "
    "own graph.",
)
@pictures_and_gate
@plain_errors
def openvino(
    bundle: Path,
    precision: Precision,
    good: Path,
    defects: Path | None,
    auto_mixed: bool,
    allow_drift: float,
    threads: int,
    quiet: bool,
) -> None:
    """Add a variant for OpenVINO to BUNDLE, unless it answers unlike the trained model."""
    from export.variants.openvino import export_openvino

    options = _options(precision, auto_mixed, allow_drift, threads)
    _add(export_openvino, bundle, good, defects, options, quiet)


@click.command()
@click.option(
    "--precision",
    type=click.Choice(["int8", "fp16"]),
    default="int8",
    show_default=True,
    help="To compute in. int8 is for CPUs, and is quantised on the good pictures; fp16 is for "
    "NVIDIA GPUs.",
)
@pictures_and_gate
@plain_errors
def onnxruntime(
    bundle: Path,
    precision: Precision,
    good: Path,
    defects: Path | None,
    auto_mixed: bool,
    allow_drift: float,
    threads: int,
    quiet: bool,
) -> None:
    """Add a variant for ONNX Runtime to BUNDLE, unless it answers unlike the trained model."""
    from export.variants.onnxruntime import export_onnxruntime

    options = _options(precision, auto_mixed, allow_drift, threads)
    _add(export_onnxruntime, bundle, good, defects, options, quiet)


@click.command()
@click.argument("bundle", type=FOLDER)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "bf16", "int8"]),
    default="fp16",
    show_default=True,
    help="That TensorRT may compute in. What int8 leaves over runs in fp16.",
)
@click.option(
    "--good",
    type=FOLDER,
    required=True,
    help="Pictures of good parts: some hundred, as varied as the line's. They give the ranges of 8 "
    "bits, and the variant is compared with the trained model on them.",
)
@click.option(
    "--defects",
    type=FOLDER,
    help="Pictures of defective parts: compared too, and then the image AUROC may not fall.",
)
@click.option(
    "--opt-batch",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Batch size that it is tuned for.",
)
@click.option(
    "--max-batch",
    type=click.IntRange(min=1, max=256),
    default=16,
    show_default=True,
    help="Largest batch that it takes; the smallest is 1.",
)
@click.option(
    "--timing-cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for what TensorRT timed, so that the next build is quicker; nothing is kept "
    "without one.",
)
@click.option(
    "--device-id", type=click.IntRange(min=0), default=0, show_default=True, help="The GPU."
)
@click.option(
    "--allow-drift",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="FACTOR",
    help="Widen what is let through by this factor.",
)
@THREADS
@QUIET
@plain_errors
def tensorrt(
    bundle: Path,
    precision: Precision,
    good: Path,
    defects: Path | None,
    opt_batch: int,
    max_batch: int,
    timing_cache: Path | None,
    device_id: int,
    allow_drift: float,
    threads: int,
    quiet: bool,
) -> None:
    """Build an engine for this GPU and add it to BUNDLE, unless it answers unlike the model.

    It runs on GPUs of the same name, with the same driver and TensorRT, only.
    """
    from export.pictures import list_pictures
    from export.report.card import write_card
    from export.variants.drift_gate import ALLOWED
    from export.variants.tensorrt import TensorRtOptions, export_tensorrt
    from service.bundles.bundle import load_bundle

    loaded = load_bundle(bundle)
    good_pictures = list_pictures(good)
    defective = list_pictures(defects) if defects else ()
    changed = export_tensorrt(
        loaded,
        good_pictures,
        defective,
        TensorRtOptions(
            precision=precision,
            opt_batch=opt_batch,
            max_batch=max_batch,
            device_id=device_id,
            allowed=ALLOWED[precision].widened(allow_drift),
            timing_cache=timing_cache,
            threads=threads,
        ),
        tell=click.echo,
        quiet=quiet,
    )
    write_card(changed)
    click.echo(variant_table(changed.manifest))


def _options(
    precision: Precision, auto_mixed: bool, allow_drift: float, threads: int
) -> VariantOptions:
    from export.variants.drift_gate import ALLOWED
    from export.variants.search import VariantOptions

    return VariantOptions(
        precision=precision,
        allowed=ALLOWED[precision].widened(allow_drift),
        auto_mixed=auto_mixed,
        threads=threads,
    )


def _add(
    export: Export,
    bundle: Path,
    good: Path,
    defects: Path | None,
    options: VariantOptions,
    quiet: bool,
) -> None:
    from export.pictures import list_pictures
    from export.report.card import write_card
    from service.bundles.bundle import load_bundle

    loaded = load_bundle(bundle)
    changed = export(
        loaded,
        list_pictures(good),
        list_pictures(defects) if defects else (),
        options,
        tell=click.echo,
        quiet=quiet,
    )
    write_card(changed)
    click.echo(variant_table(changed.manifest))


def variant_table(manifest: Manifest) -> str:
    """One line for each variant; drifts in spans, see `VariantDrift`."""
    rows = [_HEAD, *(_row(variant) for variant in manifest.variants)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _row(variant: Variant) -> tuple[str, ...]:
    drift = variant.drift
    auroc = "-"
    if drift.image_auroc is not None and drift.reference_auroc is not None:
        auroc = f"{drift.image_auroc:.4f} ({drift.image_auroc - drift.reference_auroc:+.4f})"
    return (
        variant.name,
        "-" if variant.images_per_s is None else f"{variant.images_per_s:.1f}",
        f"{drift.score_spans:.4f}",
        f"{drift.map_spans:.4f}",
        f"{drift.turned} of {drift.pictures}",
        auroc,
        ", ".join(variant.kept) or "-",
    )
