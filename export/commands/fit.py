"""`takt fit`: a detector, or the teacher that detectors start from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from export.commands.fit_options import (
    EVERY_FIT,
    VARIANTS,
    SizeRequest,
    compute_on,
    older_spellings,
    options_of,
    resumable,
    save_detector,
    sized,
)
from export.commands.options import FILE, FOLDER, SHOW_DEFAULTS, plain_errors, with_options
from models.fit.efficientad.options import EfficientAdOptions
from models.fit.inpformer.options import InpFormerOptions
from models.fit.patchcore.options import PatchCoreOptions
from models.fit.teacher.options import TeacherOptions
from models.input_size import InputSize

NOT_THE_PAPERS = (
    "encoder lite0: EfficientNet-Lite0, whose weights come with a package; it is not the paper's "
    "encoder: for that one give --encoder a DINOv2's weights; on plain gray surfaces "
    "INP-Former finds little with lite0, so take `takt fit patchcore` there"
)
KINDS_AND_ENCODER = with_options(
    click.option(
        "--good",
        type=FOLDER,
        required=True,
        multiple=True,
        help="Pictures of good parts; several times for one model of several kinds of part.",
    ),
    click.option(
        "--encoder",
        default="lite0",
        help="lite0, a file with the weights of a DINOv2 with registers, or timm:MODEL to download "
        "them.",
    ),
)


@click.group(context_settings=SHOW_DEFAULTS)
def fit() -> None:
    """Train on pictures of good parts; an interrupted fit goes on when called again."""


@fit.command()
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
@EVERY_FIT
@plain_errors
def efficientad(
    sizing: SizeRequest,
    good: Path,
    other: Path | None,
    teacher: Path | None,
    out: Path,
    device: str,
    threads: int,
    quiet: bool,
    **options: Any,
) -> None:
    """Fit an EfficientAD on pictures of good parts.

    A part of them is held back, for `takt export onnx` to find the thresholds on.
    """
    from export.calibration.pictures_to_use import distinct
    from export.pictures import list_pictures, read_model_input, read_picture
    from export.synthetic.inputs import reader_with_defects
    from models.checkpoints.own import load_teacher
    from models.efficientad.config import SIZES
    from models.fit.device import time_of_a_picture_ms
    from models.fit.efficientad.fit import fit_efficientad, untrained
    from service.bundles.manifest import Preprocess

    compute = compute_on(device, threads)
    network = load_teacher(teacher)

    def time_ms(size: InputSize) -> float:
        return time_of_a_picture_ms(untrained(network, sized_as(size)), compute)

    def sized_as(size: InputSize) -> EfficientAdOptions:
        return EfficientAdOptions(width=size.width, height=size.height, **options)

    size = sizing.choose(SIZES, [good], time_ms)
    asked = sized_as(size or InputSize(SIZES.usual_side, SIZES.usual_side))
    spec = Preprocess(width=asked.width, height=asked.height, resize="area", crop=None)
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
            network,
            out,
            asked,
            compute,
            spoil=reader_with_defects(spec),
            quiet=quiet,
        )
        save_detector(out, fitted, digests, asked.seed, good)


@fit.command()
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


@fit.command()
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


@fit.command()
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
    from export.errors import PicturesError
    from export.pictures import list_pictures, read_picture
    from export.versions import package_versions
    from models.checkpoints.own import load_teacher, save_teacher
    from models.fit.progress import write_curve
    from models.fit.teacher.fit import fit_teacher

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
