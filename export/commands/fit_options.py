"""What the commands of fits share: options, device, resuming and saving."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from export.commands.options import (
    COUNT,
    FILE,
    POSITIVE,
    QUIET,
    SEED,
    SHARE,
    Option,
    threads,
    with_options,
)

if TYPE_CHECKING:
    from models.fit.device import Compute
    from models.fit.efficientad.fit import FittedEfficientAd
    from models.fit.inpformer.fit import FittedInpFormer

EVERY_FIT = with_options(
    click.option("--out", type=FILE, required=True, help="Checkpoint to write (safetensors)."),
    SEED,
    click.option("--device", default="auto", help="Where to compute: auto, cpu, cuda, cuda:1, …"),
    threads("CPU threads.", "torch's choice"),
    QUIET,
)
"""The options that every fit has."""

BUDGET = with_options(
    click.option(
        "--minutes", type=POSITIVE, default=20,
        help="Time for the whole fit; the pace of the first steps tells how many it allows."
    ),
    click.option(
        "--steps", type=COUNT, show_default="as many as --minutes allow",
        help="Optimiser steps, all of them, whatever time they take."
    ),
)  # fmt: skip
"""The length of a detector's fit: a number of steps, or as many as a time allows."""

OF_DETECTORS = with_options(
    click.option(
        "--calibration", type=SHARE, default=0.25,
        help="Share of the good pictures that the fit never sees, for the thresholds."
    ),
    click.option(
        "--save-every", type=COUNT, default=100,
        help="Steps between states from which an interrupted fit goes on."
    ),
)  # fmt: skip
"""The options that the fits of both detectors have besides."""


def learning_rate(help: str) -> Option:
    """The option --learning-rate, of the optimisers that `help` names."""
    return click.option("--learning-rate", type=POSITIVE, default=1e-3, help=help)


def compute_on(device: str, threads: int) -> Compute:
    """The device, after a first computation on it.

    Raises:
        click.BadParameter: there is no such device here.
    """
    import torch

    from models.fit.device import Compute

    if threads:
        torch.set_num_threads(threads)
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise click.BadParameter("torch finds no GPU here; take cpu", param_hint="--device")
    try:
        compute = Compute.choose(device)
        torch.zeros(1, device=compute.device)
        return compute
    except (RuntimeError, AssertionError) as error:
        raise click.BadParameter(str(error), param_hint="--device") from error


@contextlib.contextmanager
def resumable(out: Path) -> Iterator[None]:
    """Keep a fit's state until its checkpoint is there, and name the state on Ctrl-C.

    Raises:
        click.ClickException: the checkpoint is there already.
    """
    from models.fit.progress import Resume

    if out.exists():
        raise click.ClickException(f"{out} exists; delete it, or give another --out")
    state = Resume(out, {}, {}).path
    try:
        yield
        state.unlink(missing_ok=True)
    except KeyboardInterrupt:
        click.echo(
            f"\nstopped; the same command goes on from the last state, {state}"
            if state.exists()
            else "\nstopped before the first state was kept; the same command starts again",
            err=True,
        )
        raise click.exceptions.Exit(130) from None


def save_detector(
    out: Path,
    fitted: FittedEfficientAd | FittedInpFormer,
    digests: Mapping[Path, str],
    seed: int,
    good: Path,
    **facts: Any,
) -> None:
    """Write a fitted detector with its loss curve beside it, and say what comes next.

    Args:
        out: the checkpoint.
        fitted: the detector.
        digests: of every good picture.
        seed: of the fit.
        good: the folder to name in the next command.
        facts: further fields of `FitFacts`.
    """
    from export.versions import package_versions
    from models.checkpoints import FitFacts, save_checkpoint
    from models.fit.progress import write_curve

    seen = tuple(digests[path] for path in fitted.seen)
    versions = package_versions()
    known = FitFacts(fitted.model.config, seen, fitted.steps, seed, versions, **facts)
    save_checkpoint(out, fitted.model, known)
    write_curve(out.with_suffix(".csv"), fitted.curve)
    click.echo(
        f"{out}: {fitted.steps} steps, {fitted.steps_per_s:.2f} a second, on {len(fitted.seen)} "
        f"good pictures; {len(fitted.calibration)} more were never looked at\n"
        f"next: takt export onnx {out} --good {good} --out REPOSITORY/NAME/VERSION"
    )
