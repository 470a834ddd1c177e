"""`takt fit inpformer`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from export.commands.fit_options import (
    BUDGET,
    EVERY_FIT,
    OF_DETECTORS,
    compute_on,
    learning_rate,
    resumable,
    save_detector,
)
from export.commands.options import COUNT, FOLDER, plain_errors

NOT_THE_PAPERS = (
    "encoder lite0: EfficientNet-Lite0, whose weights come with a package; it is not the paper's "
    "encoder: for that one give --encoder a DINOv2's weights"
)


@click.command()
@click.option(
    "--good",
    type=FOLDER,
    required=True,
    multiple=True,
    help="Pictures of good parts; several times for one model of several kinds of part.",
)
@click.option(
    "--encoder",
    default="lite0",
    help="lite0, a file with the weights of a DINOv2 with registers, or timm:MODEL to download "
    "them.",
)
@click.option(
    "--shots",
    type=COUNT,
    help="Fit on so many pictures of each kind only, augmented; the rest gives the thresholds.",
)
@BUDGET
@click.option("--batch-size", type=COUNT, default=4, help="Pictures in a step; the paper takes 16.")
@click.option(
    "--tokens",
    type=click.IntRange(min=0),
    default=196,
    help="Tokens of a picture that the decoder rebuilds in a step; 0 takes all, as the paper.",
)
@learning_rate("Of StableAdamW.")
@OF_DETECTORS
@EVERY_FIT
@plain_errors
def inpformer(
    good: tuple[Path, ...],
    encoder: str,
    out: Path,
    device: str,
    threads: int,
    quiet: bool,
    **options: Any,
) -> None:
    """Fit an INP-Former on pictures of good parts, of one kind or of several.

    A part of them is held back, for `takt export onnx` to find the thresholds on.
    """
    from export.bundling.checkpoint_source import preprocess_of
    from export.calibration.pictures_to_use import distinct
    from export.pictures import list_pictures, read_model_input
    from models.fit.inpformer.encoders import LITE0, pretrained
    from models.fit.inpformer.fit import InpFormerOptions, fit_inpformer

    asked = InpFormerOptions(**options)
    compute = compute_on(device, threads)
    if encoder == LITE0:
        click.echo(NOT_THE_PAPERS)
    with resumable(out):
        chosen = pretrained(encoder)
        spec = preprocess_of(chosen.recipe)
        # Before the fit, since a file may be replaced while it runs.
        kinds = [distinct(list_pictures(folder), click.echo) for folder in good]
        fitted = fit_inpformer(
            [tuple(digests) for digests in kinds],
            lambda path: read_model_input(path, spec),
            chosen,
            out,
            asked,
            compute,
            quiet=quiet,
        )
        save_detector(
            out,
            fitted,
            {path: digest for kind in kinds for path, digest in kind.items()},
            asked.seed,
            good[0],
            preprocess=chosen.recipe.resize,
            resized=chosen.recipe.width if chosen.recipe.crop else None,
            encoder=chosen.name,
        )
