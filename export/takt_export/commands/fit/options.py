"""The options that all fit commands share, and the device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import click

from takt.headings import Option, under, with_options
from takt_export.commands.options import FILE, FOLDER, QUIET, SEED, threads
from takt_models.fit.options import FitOptions, kinds_of, meanings_of

if TYPE_CHECKING:
    from takt_models.fit.device import Compute

EVERY_FIT = with_options(
    click.option("--out", type=FILE, required=True, help="Checkpoint to write (safetensors)."),
    under(
        "Running",
        SEED,
        click.option(
            "--device", default="auto", help="Where to compute: auto, cpu, cuda, cuda:1, …"
        ),
        threads("CPU threads.", "torch's choice"),
        QUIET,
    ),
)
"""Options of every fit."""

USUAL_ENCODER = "lite0"
ENCODER = click.option(
    "--encoder",
    default=USUAL_ENCODER,
    help="lite0, a file with the weights of a DINOv2 with registers, or timm:MODEL to download "
    "them.",
)

KINDS_AND_ENCODER = with_options(
    click.option(
        "--good",
        type=FOLDER,
        required=True,
        multiple=True,
        help="Pictures of good parts; several times for one model of several kinds of part.",
    ),
    ENCODER,
)

WITHOUT = {
    "steps": "as many as --minutes allow",
    "variety": "the more, the fewer good pictures; 0 from a hundred on",
}
"""Text of `--help` for options that have no default."""


def options_of(fit: type[FitOptions], *names: str) -> Option:
    """Offers options of a fit in this order, each with its type, default and meaning."""
    kinds, meanings = kinds_of(fit), meanings_of(fit)
    return under(
        "The fit",
        *(
            click.option(
                f"--{name.replace('_', '-')}",
                type=_click_type(kinds[name]),
                default=getattr(fit, name),
                show_default=WITHOUT.get(name) if getattr(fit, name) is None else None,
                help=meanings[name],
            )
            for name in names
        ),
    )


def _click_type(kind: Any) -> Any:
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    if get_origin(kind) is not Annotated:
        return kind
    number, bounds = get_args(kind)
    ranged = click.IntRange if number is int else click.FloatRange
    high = None if bounds.high == math.inf else bounds.high
    return ranged(bounds.low, high, min_open=bounds.is_open, max_open=bounds.is_open)


def compute_on(device: str, threads: int) -> Compute:
    """Chooses the device and computes once on it.

    Raises:
        click.BadParameter: there is no such device here.
    """
    import torch

    from takt_models.fit.device import Compute

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
