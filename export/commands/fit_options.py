"""What every fit's command shares: its options, its device, how it goes on and ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from export.commands.options import FILE

if TYPE_CHECKING:
    from models.fit.device import Compute


def shared(command: Callable[..., None]) -> Callable[..., None]:
    """The options that every fit has."""
    for option in (
        click.option("-q", "--quiet", is_flag=True, help="Show no progress bar."),
        click.option(
            "--threads", type=click.IntRange(min=0), default=0, show_default="torch's choice",
            help="CPU threads.",
        ),
        click.option(
            "--device", default="auto", show_default=True,
            help="Where to compute: auto, cpu, cuda, cuda:1, …",
        ),
        click.option(
            "--seed", type=click.IntRange(min=0), default=0, show_default=True,
            help="Of everything random.",
        ),
        click.option(
            "--out", type=FILE, required=True, help="Checkpoint to write (safetensors)."
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def budget(command: Callable[..., None]) -> Callable[..., None]:
    """How long a fit lasts: so many steps, or as many as a time allows."""
    for option in (
        click.option(
            "--steps", type=click.IntRange(min=1), show_default="as many as --minutes allow",
            help="Optimiser steps, all of them, whatever time they take.",
        ),
        click.option(
            "--minutes", type=click.FloatRange(0, min_open=True), default=20, show_default=True,
            help="Time for the whole fit; the pace of the first steps tells how many it allows.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def of_detectors(command: Callable[..., None]) -> Callable[..., None]:
    """What the fits of both detectors have beyond that."""
    for option in (
        click.option(
            "--save-every", type=click.IntRange(min=1), default=100, show_default=True,
            help="Steps between states from which an interrupted fit goes on.",
        ),
        click.option(
            "--calibration", type=click.FloatRange(0, 1, min_open=True, max_open=True),
            default=0.25, show_default=True,
            help="Share of the good pictures that the fit never sees, for the thresholds.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def compute_on(device: str, threads: int) -> Compute:
    """The device that was asked for, tried.

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
    """Refuse to replace a checkpoint; keep the state until there is one, and say so on Ctrl-C."""
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
