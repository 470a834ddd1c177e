"""`takt fit`: a detector, or the teacher that detectors start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from export.commands.fit_inpformer import inpformer
from export.commands.fit_options import budget, compute_on, of_detectors, resumable, shared
from export.commands.options import FILE, FOLDER, plain_errors

if TYPE_CHECKING:
    from models.efficientad.detector import Size


@click.group()
def fit() -> None:
    """Train on pictures of good parts; an interrupted fit goes on when called again."""


fit.add_command(inpformer)


@fit.command()
@click.option("--good", type=FOLDER, required=True, help="Pictures of good parts.")
@click.option(
    "--other", type=FOLDER, help="Pictures of anything else, for the penalty on the student."
)
@click.option(
    "--size",
    type=click.Choice(["small", "medium"]),
    default="small",
    show_default=True,
    help="Of teacher and student.",
)
@click.option(
    "--image-size",
    type=int,
    default=256,
    show_default=True,
    help="Side of the model's input in pixels: a multiple of 32, at least 256.",
)
@budget
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    default=1e-3,
    show_default=True,
    help="Of Muon and Adam, before it falls.",
)
@click.option(
    "--validation",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.1,
    show_default=True,
    help="Share of the good pictures that scale the maps.",
)
@click.option(
    "--variety",
    type=click.FloatRange(0, 1),
    show_default="the more, the fewer good pictures; 0 from a hundred on",
    help="Share of the steps whose picture is mirrored, scaled and shifted; 0 where a mirrored "
    "part is a defective one.",
)
@of_detectors
@click.option("--teacher", type=FILE, show_default="the shipped one", help="Teacher checkpoint.")
@shared
@plain_errors
def efficientad(
    good: Path,
    other: Path | None,
    size: Size,
    image_size: int,
    steps: int | None,
    minutes: float,
    learning_rate: float,
    validation: float,
    variety: float | None,
    calibration: float,
    save_every: int,
    teacher: Path | None,
    out: Path,
    seed: int,
    device: str,
    threads: int,
    quiet: bool,
) -> None:
    """Fit an EfficientAD on pictures of good parts.

    A part of them is held back, for `takt export onnx` to find the thresholds on.
    """
    from export.calibration.pictures_to_use import distinct
    from export.pictures import list_pictures, read_model_input, read_picture
    from export.versions import package_versions
    from models.checkpoints import FitFacts, load_teacher, save_checkpoint
    from models.fit.efficientad.fit import EfficientAdOptions, fit_efficientad
    from models.fit.progress import write_curve
    from service.bundles.manifest import Preprocess

    _check_image_size(image_size)
    compute = compute_on(device, threads)
    spec = Preprocess(width=image_size, height=image_size, resize="area", crop=None)
    if other is None:
        click.echo("no --other pictures: fitting without the penalty term")
    with resumable(out):
        # Before the fit, since a file may be replaced while it runs.
        digests = distinct(list_pictures(good), click.echo)
        fitted = fit_efficientad(
            tuple(digests),
            list_pictures(other) if other else (),
            lambda path: read_model_input(path, spec),
            read_picture,
            load_teacher(teacher),
            out,
            EfficientAdOptions(
                steps=steps,
                minutes=minutes,
                learning_rate=learning_rate,
                image_size=image_size,
                size=size,
                seed=seed,
                validation=validation,
                calibration=calibration,
                save_every=save_every,
                variety=variety,
            ),
            compute,
            quiet=quiet,
        )
        seen = tuple(digests[path] for path in fitted.seen)
        facts = FitFacts(fitted.model.config, seen, fitted.steps, seed, package_versions())
        save_checkpoint(out, fitted.model, facts)
        write_curve(out.with_suffix(".csv"), fitted.curve)
    click.echo(
        f"{out}: {fitted.steps} steps, {fitted.steps_per_s:.2f} a second, on {len(fitted.seen)} "
        f"good pictures; {len(fitted.calibration)} more were never looked at\n"
        f"next: takt export onnx {out} --good {good} --out REPOSITORY/NAME/VERSION"
    )


@fit.command()
@click.option("--good", type=FOLDER, required=True, help="Pictures to distil on.")
@click.option("--other", type=FOLDER, help="More pictures; the more varied, the better.")
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=8000,
    show_default=True,
    help="Optimiser steps, of eight crops each.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    default=1e-3,
    show_default=True,
    help="Of Muon and AdamW, before it falls.",
)
@click.option(
    "--size",
    type=click.Choice(["small", "medium"]),
    default="small",
    show_default=True,
    help="PDN-S, or PDN-M, which costs three times as much.",
)
@click.option("--start", type=FILE, help="A teacher of `takt fit teacher` to go on from.")
@shared
@plain_errors
def teacher(
    good: Path,
    other: Path | None,
    steps: int,
    learning_rate: float,
    size: Size,
    start: Path | None,
    out: Path,
    seed: int,
    device: str,
    threads: int,
    quiet: bool,
) -> None:
    """Distil a teacher from EfficientNet-Lite0, on any pictures and on made-up surfaces.

    Only needed where the shipped teacher will not do. The loss curve goes beside it as .csv.
    """
    from export.errors import PicturesError
    from export.pictures import list_pictures, read_picture
    from export.versions import package_versions
    from models.checkpoints import load_teacher, save_teacher
    from models.fit.progress import write_curve
    from models.fit.teacher.fit import fit_teacher
    from models.fit.teacher.options import TeacherOptions

    compute = compute_on(device, threads)
    pictures = (*list_pictures(good), *(list_pictures(other) if other else ()))
    if len(pictures) < 2:
        raise PicturesError("distilling a teacher needs at least two pictures; a thousand is good")
    with resumable(out):
        fitted = fit_teacher(
            pictures,
            read_picture,
            out,
            TeacherOptions(steps=steps, learning_rate=learning_rate, size=size, seed=seed),
            compute,
            start=load_teacher(start) if start else None,
            quiet=quiet,
        )
        facts = {
            "steps": str(steps),
            "seed": str(seed),
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


def _check_image_size(image_size: int) -> None:
    from models.efficientad.detector import EfficientAdConfig

    try:
        EfficientAdConfig(image_size=image_size)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--image-size") from error
