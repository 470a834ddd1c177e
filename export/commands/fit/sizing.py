"""The size of the model's input, as fit commands are asked for it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

from export.commands.options import FOLDER, POSITIVE, Command, with_options
from models.input_size import InputSize, SizeLimits, choose_size

AUTO: Literal["auto"] = "auto"
VARIANTS = ("small", "medium")


@dataclass(frozen=True)
class SizeRequest:
    """What a command was asked about the size of the model's input.

    Attributes:
        size: None for the family's usual one.
        latency_ms: longest time of a picture that `auto` may take; None for any.
        defects: folder of defective parts for `auto`; None if there is none.
    """

    size: InputSize | Literal["auto"] | None = None
    latency_ms: float | None = None
    defects: Path | None = None

    def choose(
        self, limits: SizeLimits, folders: Sequence[Path], time_ms: Callable[[InputSize], float]
    ) -> InputSize | None:
        """The size, None for the family's usual one; `auto` prints its reasons.

        Args:
            limits: what the family takes.
            folders: folders of good pictures, whose shape counts.
            time_ms: measures the time of a size in milliseconds.

        Raises:
            click.BadParameter: the family does not take the size.
            PicturesError: a picture or a mask cannot be read.
        """
        if self.size != AUTO:
            if self.size is not None:
                try:
                    limits.check(self.size.width, self.size.height)
                except ValueError as error:
                    raise click.BadParameter(str(error), param_hint="--size") from error
            return self.size
        from export.evaluation.smallest_defect import smallest_defect_side
        from export.pictures import list_pictures, usual_size

        side = None if self.defects is None else smallest_defect_side(self.defects)
        if self.defects is not None and side is None:
            click.echo(f"{self.defects} has no masks: the size cannot go by the smallest defect")
        usual = usual_size(path for folder in folders for path in list_pictures(folder))
        chosen = choose_size(limits, usual, side, self.latency_ms, time_ms)
        click.echo(chosen.text())
        return chosen.size


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

    return SIZE_OPTIONS(run)


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


SIZE_OPTIONS = with_options(
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
    click.option(
        "--defects",
        type=FOLDER,
        help="With --size auto: defective parts with masks, the smallest of which stays visible.",
    ),
)
