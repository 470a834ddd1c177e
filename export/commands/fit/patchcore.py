"""`takt fit patchcore`: a bank of the features of good parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from export.commands.fit.options import EVERY_FIT, KINDS_AND_ENCODER, compute_on, options_of
from export.commands.fit.saving import resumable, save_detector
from export.commands.fit.sizing import SizeRequest, sized
from export.commands.options import plain_errors
from models.fit.patchcore.options import PatchCoreOptions
from models.input_size import InputSize


@click.command()
@KINDS_AND_ENCODER
@options_of(PatchCoreOptions, "bank_size")
@sized
@EVERY_FIT
@plain_errors
def patchcore(
    sizing: SizeRequest,
    good: tuple[Path, ...],
    encoder: str,
    out: Path,
    device: str,
    threads: int,
    quiet: bool,
    **options: Any,
) -> None:
    """Fill a PatchCore's bank from pictures of good parts, of one kind or of several: seconds.

    None is held back: the bank is made in folds, each picture is scored by the folds that have not
    seen it, and `takt export onnx` takes the thresholds from these scores.
    """
    from export.bundling.checkpoint_source import preprocess_of
    from export.calibration.pictures_to_use import distinct
    from export.pictures import list_pictures, read_model_input
    from models.fit.device import time_of_a_picture_ms
    from models.fit.patchcore.encoders import encoder_of
    from models.fit.patchcore.fit import fit_patchcore
    from models.patchcore.config import SIZES
    from models.patchcore.detector import PatchCore

    asked = PatchCoreOptions(**options)
    compute = compute_on(device, threads)

    def time_ms(size: InputSize) -> float:
        config = encoder_of(encoder, size.width, size.height).config
        bank_size = len(good) * asked.bank_size
        return time_of_a_picture_ms(PatchCore(replace(config, bank_size=bank_size)), compute)

    with resumable(out):
        chosen = encoder_of(encoder)
        size = sizing.choose(SIZES[chosen.config.encoder], good, time_ms)
        if size is not None:
            chosen = encoder_of(encoder, size.width, size.height)
        spec = preprocess_of(chosen.recipe)
        # Before the fit, since a file may be replaced while it runs.
        kinds = [distinct(list_pictures(folder), click.echo) for folder in good]
        fitted = fit_patchcore(
            [tuple(digests) for digests in kinds],
            lambda path: read_model_input(path, spec),
            chosen,
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
            encoder=chosen.name,
        )
