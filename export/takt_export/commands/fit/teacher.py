"""`takt fit teacher`: the teacher that EfficientADs start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from takt.headings import HeadedCommand
from takt_export.commands.fit.options import EVERY_FIT, compute_on, options_of
from takt_export.commands.fit.saving import resumable
from takt_export.commands.fit.sizing import VARIANTS
from takt_export.commands.options import FILE, FOLDER, plain_errors
from takt_models.fit.teacher.options import TeacherOptions


@click.command(cls=HeadedCommand)
@click.option("--good", type=FOLDER, required=True, help="Pictures to distil on.")
@click.option("--other", type=FOLDER, help="More pictures; the more varied, the better.")
@options_of(TeacherOptions, "steps", "learning_rate", "variant")
@click.option("--size", "older_variant", type=click.Choice(VARIANTS), hidden=True)
@click.option("--start", type=FILE, help="A teacher of `takt fit teacher` to go on from.")
@EVERY_FIT
@plain_errors
def teacher(
    good: Path,
    other: Path | None,
    start: Path | None,
    older_variant: str | None,
    out: Path,
    device: str,
    threads: int,
    quiet: bool,
    **options: Any,
) -> None:
    """Distil a teacher from EfficientNet-Lite0, on any pictures and on made-up surfaces.

    Only needed where the shipped teacher will not do. The loss curve goes beside it as .csv.
    """
    from takt_export.errors import PicturesError
    from takt_export.pictures import list_pictures, read_picture
    from takt_export.versions import package_versions
    from takt_models.checkpoints.own import load_teacher, save_teacher
    from takt_models.fit.progress import write_curve
    from takt_models.fit.teacher.fit import fit_teacher

    asked = TeacherOptions(**options | ({"variant": older_variant} if older_variant else {}))
    compute = compute_on(device, threads)
    pictures = (*list_pictures(good), *(list_pictures(other) if other else ()))
    if len(pictures) < 2:
        raise PicturesError("distilling a teacher needs at least two pictures; a thousand is good")
    with resumable(out):
        fitted = fit_teacher(
            pictures,
            read_picture,
            out,
            asked,
            compute,
            start=load_teacher(start) if start else None,
            quiet=quiet,
        )
        facts = {
            "steps": str(asked.steps),
            "seed": str(asked.seed),
            "pictures": str(len(pictures)),
            "explained variance": f"{fitted.explained_variance:.4f}",
        }
        save_teacher(out, fitted.network, facts | package_versions())
        write_curve(out.with_suffix(".csv"), fitted.curve)
    parts = fitted.explained_variance_of
    click.echo(
        f"{out}: explains {fitted.explained_variance:.3f} of the variance of held-out pictures ("
        + ", ".join(f"{name}: {value:.3f}" for name, value in parts.items())
        + ")"
    )
