"""`takt fit inpformer`: an INP-Former on pictures of good parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from export.commands.fit.options import EVERY_FIT, KINDS_AND_ENCODER, compute_on, options_of
from export.commands.fit.saving import resumable, save_detector
from export.commands.fit.sizing import SizeRequest, sized
from export.commands.options import plain_errors
from models.fit.inpformer.options import InpFormerOptions
from models.input_size import InputSize

NOT_THE_PAPERS = (
    "encoder lite0: EfficientNet-Lite0, whose weights come with a package; it is not the paper's "
    "encoder: for that one give --encoder a DINOv2's weights; on plain gray surfaces "
    "INP-Former finds little with lite0, so take `takt fit patchcore` there"
)


@click.command()
@KINDS_AND_ENCODER
@options_of(
    InpFormerOptions,
    "shots",
    "minutes",
    "steps",
    "batch_size",
    "tokens",
    "learning_rate",
    "calibration",
    "save_every",
)
@sized
@EVERY_FIT
@plain_errors
def inpformer(
    sizing: SizeRequest,
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
    from export.synthetic.inputs import reader_with_defects
    from models.fit.device import time_of_a_picture_ms
    from models.fit.inpformer.encoders import LITE0, pretrained
    from models.fit.inpformer.fit import fit_inpformer
    from models.inpformer.config import SIZES
    from models.inpformer.detector import InpFormer

    asked = InpFormerOptions(**options)
    compute = compute_on(device, threads)

    def time_ms(size: InputSize) -> float:
        return time_of_a_picture_ms(InpFormer(pretrained(encoder, size).config), compute)

    if encoder == LITE0:
        click.echo(NOT_THE_PAPERS)
    with resumable(out):
        size = sizing.choose(SIZES["lite0" if encoder == LITE0 else "dinov2"], good, time_ms)
        chosen = pretrained(encoder, size)
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
            spoil=reader_with_defects(spec),
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
