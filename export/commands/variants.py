"""`takt export openvino` and `takt export onnxruntime`: variants of a bundle that is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from export.commands.failures import plain_errors
from export.commands.options import FOLDER, QUIET, THREADS, Command

if TYPE_CHECKING:
    from export.variants.search import VariantOptions
    from service.bundles.bundle import Bundle
    from service.bundles.variant import Precision

    Export = Callable[..., Bundle]


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
    from export.commands.variant_table import variant_table
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
