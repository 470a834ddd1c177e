"""`takt fit efficientad`: student and autoencoder on pictures of good parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from takt.headings import HeadedCommand
from takt_export.commands.fit.options import EVERY_FIT, compute_on, options_of
from takt_export.commands.fit.saving import resumable, save_detector
from takt_export.commands.fit.sizing import older_spellings, sized
from takt_export.commands.options import FILE, FOLDER, plain_errors
from takt_export.commands.promise import GROUP, LOT
from takt_export.learning.size_request import SizeRequest
from takt_models.fit.efficientad.options import EfficientAdOptions

if TYPE_CHECKING:
    from takt_export.calibration.grouping import Grouping


@click.command(cls=HeadedCommand)
@click.option("--good", type=FOLDER, required=True, help="Pictures of good parts.")
@click.option(
    "--other", type=FOLDER, help="Pictures of anything else, for the penalty on the student."
)
@options_of(
    EfficientAdOptions,
    "variant",
    "minutes",
    "steps",
    "learning_rate",
    "validation",
    "variety",
    "calibration",
    "save_every",
)
@click.option("--teacher", type=FILE, show_default="the shipped one", help="Teacher checkpoint.")
@older_spellings
@sized
@GROUP
@LOT
@EVERY_FIT
@plain_errors
def efficientad(
    sizing: SizeRequest,
    good: Path,
    other: Path | None,
    teacher: Path | None,
    out: Path,
    grouping: Grouping,
    device: str,
    threads: int,
    quiet: bool,
    **options: Any,
) -> None:
    """Fit an EfficientAD on pictures of good parts.

    A part of them is held back, for `takt export onnx` to find the thresholds on.
    """
    from takt_export.bundling.checkpoint_source import preprocess_of
    from takt_export.calibration.camera_files import file_depth
    from takt_export.commands.fit.kinds import Kinds
    from takt_export.learning.family import reader
    from takt_export.learning.sizing import sized_efficientad
    from takt_export.pictures import list_pictures, read_picture
    from takt_export.synthetic.inputs import reader_with_defects
    from takt_models.checkpoints.facts import InputRecipe
    from takt_models.checkpoints.own import load_teacher
    from takt_models.fit.efficientad.fit import fit_efficientad

    compute = compute_on(device, threads)
    network = load_teacher(teacher)
    if other is None:
        click.echo("no --other pictures: fitting without the penalty term")
    with resumable(out):
        kinds = Kinds.read([good], grouping)
        asked = sized_efficientad(sizing, kinds.all, network, options, compute, click.echo)
        depth = file_depth(kinds.all, click.echo)
        recipe = InputRecipe(asked.width, asked.height, "area", depth=depth)
        fitted = fit_efficientad(
            kinds.all,
            list_pictures(other) if other else (),
            reader(recipe),
            read_picture,
            network,
            out,
            asked,
            compute,
            part=kinds.grouped.groups.number,
            digests=kinds.digests,
            spoil=reader_with_defects(preprocess_of(recipe)),
            quiet=quiet,
        )
        save_detector(out, fitted, kinds.digests, asked.seed, good, **recipe.facts())
