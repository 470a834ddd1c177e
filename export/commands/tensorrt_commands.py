"""`takt export tensorrt`: a variant of a bundle for this host's GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from export.commands.failures import plain_errors
from export.commands.options import FOLDER, QUIET, THREADS

if TYPE_CHECKING:
    from service.bundles.variant import Precision


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
    from export.commands.variant_table import variant_table
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
