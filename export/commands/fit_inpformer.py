"""`takt fit inpformer`."""

from __future__ import annotations

from pathlib import Path

import click

from export.commands.fit_options import budget, compute_on, of_detectors, resumable, shared
from export.commands.options import FOLDER, plain_errors

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
    show_default=True,
    help="lite0, a file with the weights of a DINOv2 with registers, or timm:MODEL to download "
    "them.",
)
@click.option(
    "--shots",
    type=click.IntRange(min=1),
    help="Fit on so many pictures of each kind only, augmented; the rest gives the thresholds.",
)
@budget
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Pictures in a step; the paper takes 16.",
)
@click.option(
    "--tokens",
    type=click.IntRange(min=0),
    default=196,
    show_default=True,
    help="Tokens of a picture that the decoder rebuilds in a step; 0 takes all, as the paper.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    default=1e-3,
    show_default=True,
    help="Of StableAdamW.",
)
@of_detectors
@shared
@plain_errors
def inpformer(
    good: tuple[Path, ...],
    encoder: str,
    shots: int | None,
    steps: int | None,
    minutes: float,
    batch_size: int,
    tokens: int,
    learning_rate: float,
    calibration: float,
    save_every: int,
    out: Path,
    seed: int,
    device: str,
    threads: int,
    quiet: bool,
) -> None:
    """Fit an INP-Former on pictures of good parts, of one kind or of several.

    A part of them is held back, for `takt export onnx` to find the thresholds on.
    """
    from export.bundling.checkpoint_source import preprocess_of
    from export.calibration.pictures_to_use import distinct
    from export.pictures import list_pictures, read_model_input
    from export.versions import package_versions
    from models.checkpoints import FitFacts, save_checkpoint
    from models.fit.inpformer.encoders import LITE0, pretrained
    from models.fit.inpformer.fit import InpFormerOptions, fit_inpformer
    from models.fit.progress import write_curve

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
            InpFormerOptions(
                steps=steps,
                minutes=minutes,
                batch_size=batch_size,
                tokens=tokens,
                learning_rate=learning_rate,
                seed=seed,
                calibration=calibration,
                shots=shots,
                save_every=save_every,
            ),
            compute,
            quiet=quiet,
        )
        digests = {path: digest for kind in kinds for path, digest in kind.items()}
        crop = chosen.recipe.crop
        facts = FitFacts(
            fitted.model.config,
            tuple(digests[path] for path in fitted.seen),
            fitted.steps,
            seed,
            package_versions(),
            preprocess=chosen.recipe.resize,
            resized=chosen.recipe.width if crop else None,
            encoder=chosen.name,
        )
        save_checkpoint(out, fitted.model, facts)
        write_curve(out.with_suffix(".csv"), fitted.curve)
    click.echo(
        f"{out}: {fitted.steps} steps, {fitted.steps_per_s:.2f} a second, on {len(fitted.seen)} "
        f"good pictures; {len(fitted.calibration)} more were never looked at\n"
        f"next: takt export onnx {out} --good {good[0]} --out REPOSITORY/NAME/VERSION"
    )
