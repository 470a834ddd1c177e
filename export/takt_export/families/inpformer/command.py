"""`takt fit inpformer`: an INP-Former on pictures of good parts."""

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
from takt_models.fit.inpformer.options import InpFormerOptions

if TYPE_CHECKING:
    from takt_export.calibration.grouping import Grouping

NOT_THE_PAPERS = (
    "encoder lite0: EfficientNet-Lite0, whose weights come with a package; it is not the paper's "
    "encoder: for that one give --encoder a DINOv2's weights; on plain gray surfaces "
    "INP-Former finds little with lite0, so take `takt fit patchcore` there"
)


@click.command(cls=HeadedCommand)
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
@GROUP
@LOT
@EVERY_FIT
@plain_errors
def inpformer(
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
    """Fit an INP-Former on pictures of good parts, of one kind or of several.

    A part of them is held back, for `takt export onnx` to find the thresholds on.
    """
    from takt_export.bundling.checkpoint_source import preprocess_of
    from takt_export.commands.fit.kinds import Kinds
    from takt_export.learning.family import reader
    from takt_export.learning.sizing import sized_inpformer
    from takt_export.synthetic.inputs import reader_with_defects
    from takt_models.fit.inpformer.encoders import LITE0
    from takt_models.fit.inpformer.fit import fit_inpformer

    asked = InpFormerOptions(**options)
    compute = compute_on(device, threads)
    if encoder == LITE0:
        click.echo(NOT_THE_PAPERS)
    with resumable(out):
        kinds = Kinds.read(good, grouping)
        chosen = sized_inpformer(sizing, kinds.all, encoder, compute, click.echo)
        recipe = chosen.recipe
        fitted = fit_inpformer(
            kinds.paths,
            reader(recipe),
            chosen,
            out,
            asked,
            compute,
            part=kinds.grouped.groups.number,
            digests=kinds.digests,
            spoil=reader_with_defects(preprocess_of(recipe)),
            quiet=quiet,
        )
        save_detector(
            out,
            fitted,
            kinds.digests,
            asked.seed,
            good[0],
            encoder=chosen.name,
            **recipe.facts(),
        )
