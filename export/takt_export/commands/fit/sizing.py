"""The size of the model's input, as fit commands are asked for it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Literal

import click

from takt.headings import Command, with_options
from takt_export.commands.options import FOLDER, POSITIVE
from takt_export.learning.size_request import AUTO, SizeRequest
from takt_models.input_size import InputSize

VARIANTS = ("small", "medium")


def sized(command: Command) -> Command:
    """Offers --size with what belongs to it; they reach the command as one argument, `sizing`."""

    @functools.wraps(command)
    def run(
        *,
        size: InputSize | Literal["auto"] | None,
        latency_ms: float | None,
        defects: Path | None,
        **others: Any,
    ) -> Any:
        if size != AUTO and (latency_ms is not None or defects is not None):
            raise click.UsageError("--latency-ms and --defects go with --size auto")
        return command(sizing=SizeRequest(size, latency_ms, defects), **others)

    return WITH_DEFECTS(run)


def older_spellings(command: Command) -> Command:
    """Still takes --image-size N for --size N, and --size small or medium for --variant."""

    @functools.wraps(command)
    def run(*, size: Any, image_size: int | None, variant: str, **others: Any) -> Any:
        if size in VARIANTS:
            click.echo(f"--size {size} is now --variant {size}")
            size, variant = None, size
        if image_size is not None:
            size = InputSize(image_size, image_size)
        return command(size=size, variant=variant, **others)

    return click.option("--image-size", type=int, hidden=True)(run)


def check_fitted_size(asked: InputSize | Literal["auto"] | None, fitted: tuple[int, int]) -> None:
    """Refuses another size than that (height, width) of the fit; `auto` is the fit's.

    Raises:
        click.BadParameter: names the size of the fit, and the remedy.
    """
    size = InputSize(fitted[1], fitted[0])
    if asked not in (None, AUTO, size):
        raise click.BadParameter(
            f"the model was fitted on {size}, and answers at that size only: fit it again with "
            f"--size {asked}",
            param_hint="--size",
        )


def asked_size(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """Reads `256`, width x height as `640x256`, or `auto`; of EfficientAD an older variant too."""
    if value is None or value == AUTO:
        return value
    if value in VARIANTS and any(other.name == "variant" for other in ctx.command.params):
        return value
    sides = value.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise click.BadParameter(
            f"{value!r} is no size; give 256, width x height as 640x256, or auto", param=param
        )
    return InputSize(int(sides[0]), int(sides[-1]))


SIZE = with_options(
    click.option(
        "--size",
        metavar="N|WxH|auto",
        callback=asked_size,
        show_default="the family's usual square",
        help="The model's input in pixels; `auto` keeps the pictures' ratio of width to height.",
    ),
    click.option(
        "--latency-ms",
        type=POSITIVE,
        help="With --size auto: longest time of a picture, measured here in torch.",
    ),
)
"""--size, and how long a picture may take at that size."""

WITH_DEFECTS = with_options(
    SIZE,
    click.option(
        "--defects",
        type=FOLDER,
        help="With --size auto: defective parts with masks, the smallest of which stays visible.",
    ),
)
