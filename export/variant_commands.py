"""`takt export openvino`: variants of a bundle that is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from export.bundle_options import FOLDER, QUIET, THREADS
from export.failures import plain_errors

if TYPE_CHECKING:
    from service.variant import Precision


@click.command()
@click.argument("bundle", type=FOLDER)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "int8"]),
    default="int8",
    show_default=True,
    help="To compute in. int8 is quantised on the good pictures; fp32 and bf16 run the bundle's "
    "own graph.",
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
    "--auto-mixed",
    is_flag=True,
    help="If the drift is too much, keep the layers where it begins in higher precision.",
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
    from export.card import write_card
    from export.drift_gate import ALLOWED
    from export.openvino import OpenVinoOptions, export_openvino
    from export.pictures import list_pictures
    from export.variant_table import variant_table
    from service.bundle import load_bundle

    loaded = load_bundle(bundle)
    good_pictures = list_pictures(good)
    defective = list_pictures(defects) if defects else ()
    options = OpenVinoOptions(
        precision=precision,
        allowed=ALLOWED[precision].widened(allow_drift),
        auto_mixed=auto_mixed,
        threads=threads,
    )
    changed = export_openvino(
        loaded, good_pictures, defective, options, tell=click.echo, quiet=quiet
    )
    write_card(changed)
    click.echo(variant_table(changed.manifest))
