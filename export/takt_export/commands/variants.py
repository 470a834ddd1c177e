"""`takt export openvino`, `onnxruntime` and `tensorrt`: variants of a bundle."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from takt.headings import Option, with_options
from takt_export.commands.options import (
    COUNT,
    DEVICE_ID,
    FOLDER,
    POSITIVE,
    QUIET,
    SIGN_KEY,
    THREADS,
    plain_errors,
)
from takt_export.commands.sign import sign_or_warn
from takt_export.wording import aligned

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from takt.core.bundles.bundle import Bundle
    from takt.core.bundles.manifest import Manifest
    from takt.core.bundles.variant import Precision, Variant
    from takt_export.variants.search import Maker, VariantOptions

HEAD = ("variant", "images/s", "score drift", "map drift", "verdicts turned", "image AUROC", "kept")

GOOD = click.option(
    "--good",
    type=FOLDER,
    required=True,
    help="Pictures of good parts: some hundred, as varied as the line's. They give the ranges of 8 "
    "bits, and the variant is compared with the trained model on them.",
)
DEFECTS = click.option(
    "--defects",
    type=FOLDER,
    help="Pictures of defective parts: compared too, and then the image AUROC may not fall.",
)
ALLOW_DRIFT = click.option(
    "--allow-drift",
    type=POSITIVE,
    default=1.0,
    metavar="FACTOR",
    help="Widen what is let through by this factor.",
)
AUTO_MIXED = click.option(
    "--auto-mixed",
    is_flag=True,
    help="If the drift is too much, keep the layers where it begins in higher precision.",
)


def variant_command(
    precisions: Sequence[Precision], default: Precision, help: str, *own: Option
) -> Callable[[Callable[..., Maker]], click.Command]:
    """Turn a function that gives an engine's `Maker` into the command that adds its variant.

    The function gets the bundle, the `VariantOptions` and the values of its own options.

    Args:
        precisions: that the engine has.
        default: one of them.
        help: on the precision.
        own: options that only this engine has; `AUTO_MIXED` goes into the `VariantOptions`.
    """

    def decorate(make_maker: Callable[..., Maker]) -> click.Command:
        @plain_errors
        @functools.wraps(make_maker)
        def run(
            bundle: Path,
            precision: Precision,
            good: Path,
            defects: Path | None,
            allow_drift: float,
            threads: int,
            quiet: bool,
            sign_key: Ed25519PrivateKey | None,
            auto_mixed: bool = False,
            **own: Any,
        ) -> None:
            from takt.core.bundles.bundle import load_bundle
            from takt_export.pictures import list_pictures
            from takt_export.report.card import renew_card
            from takt_export.variants.drift_gate import ALLOWED
            from takt_export.variants.search import VariantOptions, export_variant

            loaded = load_bundle(bundle)
            good_pictures = list_pictures(good)
            defective = list_pictures(defects) if defects else ()
            allowed = ALLOWED[precision].widened(allow_drift)
            options = VariantOptions(precision, allowed, auto_mixed, threads)
            maker = make_maker(loaded, options, **own)
            changed = export_variant(maker, good_pictures, defective, quiet=quiet)
            renew_card(changed, click.echo)
            click.echo(variant_table(changed.manifest))
            sign_or_warn(bundle, sign_key)

        choice = click.Choice(precisions)
        command = with_options(
            click.argument("bundle", type=FOLDER),
            click.option("--precision", type=choice, default=default, help=help),
            GOOD,
            DEFECTS,
            *own,
            ALLOW_DRIFT,
            SIGN_KEY,
            THREADS,
            QUIET,
        )
        return click.command()(command(run))

    return decorate


@variant_command(
    ("fp32", "bf16", "int8"),
    "int8",
    "To compute in. int8 is quantised on the good pictures; fp32 and bf16 run the bundle's own "
    "graph.",
    AUTO_MIXED,
)
def openvino(bundle: Bundle, options: VariantOptions) -> Maker:
    """Add a variant for OpenVINO to BUNDLE, unless it answers unlike the trained model."""
    from takt_export.variants.openvino import OpenVinoMaker

    return OpenVinoMaker(bundle, options, click.echo)


@variant_command(
    ("int8", "fp16"),
    "int8",
    "To compute in. int8 is for CPUs, and is quantised on the good pictures; fp16 is for NVIDIA "
    "GPUs.",
    AUTO_MIXED,
)
def onnxruntime(bundle: Bundle, options: VariantOptions) -> Maker:
    """Add a variant for ONNX Runtime to BUNDLE, unless it answers unlike the trained model."""
    from takt_export.variants.onnxruntime import OnnxRuntimeMaker

    return OnnxRuntimeMaker(bundle, options, click.echo)


@variant_command(
    ("fp32", "fp16", "bf16", "int8"),
    "fp16",
    "That TensorRT may compute in. What int8 leaves over runs in fp16.",
    click.option("--opt-batch", type=COUNT, default=8, help="Batch size that it is tuned for."),
    click.option(
        "--max-batch",
        type=click.IntRange(min=1, max=256),
        default=16,
        help="Largest batch that it takes; the smallest is 1.",
    ),
    click.option(
        "--timing-cache",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder for what TensorRT timed, so that the next build is quicker; nothing is kept "
        "without one.",
    ),
    DEVICE_ID,
)
def tensorrt(bundle: Bundle, options: VariantOptions, **build: Any) -> Maker:
    """Build an engine for this GPU and add it to BUNDLE, unless it answers unlike the model.

    It runs on GPUs of the same name, with the same driver and TensorRT, only.
    """
    from takt_export.variants.tensorrt import TensorRtMaker

    return TensorRtMaker(bundle, options, click.echo, **build)


def variant_table(manifest: Manifest) -> str:
    """One line for each variant; `VariantDrift` says what the spans of drifts are."""
    rows = [HEAD, *(_row(variant) for variant in manifest.variants)]
    return "\n".join(aligned(rows, str.ljust))


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
