"""`takt fit patchcore`: a bank of the features of good parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from takt.headings import HeadedCommand
from takt_export.commands.fit.options import EVERY_FIT, KINDS_AND_ENCODER, compute_on, options_of
from takt_export.commands.fit.saving import resumable, save_detector
from takt_export.commands.fit.sizing import sized
from takt_export.commands.options import plain_errors
from takt_export.commands.promise import GROUP, LOT
from takt_export.learning.size_request import SizeRequest
from takt_models.fit.patchcore.options import PatchCoreOptions

if TYPE_CHECKING:
    from takt_export.calibration.grouping import Grouping


@click.command(cls=HeadedCommand)
@KINDS_AND_ENCODER
@options_of(PatchCoreOptions, "bank_size")
@sized
@GROUP
@LOT
@EVERY_FIT
@plain_errors
def patchcore(
    sizing: SizeRequest,
    good: tuple[Path, ...],
    encoder: str,
    out: Path,
    grouping: Grouping,
    device: str,
    threads: int,
    quiet: bool,
    **options: Any,
) -> None:
    """Fill a PatchCore's bank from pictures of good parts, of one kind or of several: seconds.

    None is held back: the bank is made in folds, each picture is scored by the folds that have not
    seen it, and `takt export onnx` takes the thresholds from these scores.
    """
    from takt_export.commands.fit.kinds import Kinds
    from takt_export.learning.family import reader
    from takt_export.learning.sizing import sized_patchcore
    from takt_export.pictures import usual_size
    from takt_models.fit.patchcore.fit import fit_patchcore
    from takt_models.fit.patchcore.turning import turned_text

    asked = PatchCoreOptions(**options)
    compute = compute_on(device, threads)
    with resumable(out):
        kinds = Kinds.read(good, grouping)
        bank_size = len(good) * asked.bank_size
        chosen = sized_patchcore(sizing, kinds.all, encoder, bank_size, compute, click.echo)
        fitted = fit_patchcore(
            kinds.paths,
            reader(chosen.recipe),
            chosen,
            asked,
            compute,
            part=kinds.grouped.parts.number,
            apart=kinds.grouped.apart,
            lots=kinds.grouped.lots_apart,
            aspect=usual_size(kinds.all).aspect,
            quiet=quiet,
        )
        if fitted.turned:
            click.echo(turned_text(fitted.turned, len(fitted.seen)))
        save_detector(
            out,
            fitted,
            kinds.digests,
            asked.seed,
            good[0],
            encoder=chosen.name,
            **chosen.recipe.facts(),
        )
