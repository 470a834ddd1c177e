"""The options, the device, the state and the saving that all fit commands share."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import click

from export.commands.options import (
    FILE,
    FOLDER,
    POSITIVE,
    QUIET,
    SEED,
    Command,
    Option,
    threads,
    with_options,
)
from models.fit.options import FitOptions, kinds_of, meanings_of
from models.input_size import InputSize, SizeLimits, choose_size

if TYPE_CHECKING:
    from models.checkpoints.facts import SizeRange
    from models.efficientad.detector import EfficientAd
    from models.fit.device import Compute
    from models.fit.progress import Fitted
    from models.inpformer.detector import InpFormer
    from models.patchcore.detector import PatchCore

EVERY_FIT = with_options(
    click.option("--out", type=FILE, required=True, help="Checkpoint to write (safetensors)."),
    SEED,
    click.option("--device", default="auto", help="Where to compute: auto, cpu, cuda, cuda:1, …"),
    threads("CPU threads.", "torch's choice"),
    QUIET,
)
"""Options of every fit."""

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

WITHOUT = {
    "steps": "as many as --minutes allow",
    "variety": "the more, the fewer good pictures; 0 from a hundred on",
}
"""Text of `--help` for options that have no default."""


POOR_AUROC = 0.75
"""Image AUROC on made-up defects below which a fit warns of its model."""


def options_of(fit: type[FitOptions], *names: str) -> Option:
    """Offers options of a fit in this order, each with its type, default and meaning."""
    kinds, meanings = kinds_of(fit), meanings_of(fit)
    return with_options(
        *(
            click.option(
                f"--{name.replace('_', '-')}",
                type=_click_type(kinds[name]),
                default=getattr(fit, name),
                show_default=WITHOUT.get(name) if getattr(fit, name) is None else None,
                help=meanings[name],
            )
            for name in names
        )
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
    """Keeps a fit's state until its checkpoint is written, and names the state on Ctrl-C.

    Raises:
        click.ClickException: the checkpoint is there already.
    """
    from models.fit.resume import Resume

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
    fitted: Fitted[EfficientAd] | Fitted[InpFormer] | Fitted[PatchCore],
    digests: Mapping[Path, str],
    seed: int,
    good: Path,
    **facts: Any,
) -> None:
    """Writes a fitted detector with its loss curve beside it, and prints the next command.

    Args:
        out: path of the checkpoint.
        fitted: fitted detector.
        digests: digest of every good picture.
        seed: seed of the fit.
        good: folder to name in the next command.
        facts: further fields of `FitFacts`.
    """
    from export.versions import package_versions
    from models.checkpoints.own import FitFacts, save_checkpoint
    from models.fit.progress import write_curve

    seen = tuple(digests[path] for path in fitted.seen)
    versions = package_versions()
    known = FitFacts(
        fitted.model.config,
        seen,
        fitted.steps,
        seed,
        versions,
        sizes=_sizes_of(fitted.seen),
        auroc=fitted.auroc,
        **facts,
    )
    save_checkpoint(out, fitted.model, known, fitted.out_of_fold)
    if fitted.curve:
        write_curve(out.with_suffix(".csv"), fitted.curve)
        took = f"{fitted.steps} steps, {fitted.steps_per_s:.2f} a second, on "
    else:
        took = f"{len(fitted.model.state_dict()['bank'])} vectors, of "
    others = f"{len(fitted.calibration)} more were never looked at"
    if (scored := fitted.out_of_fold) is not None:
        others = (
            f"{len(scored.pictures)} of them were scored without their own of {scored.folds} folds"
        )
    click.echo(
        f"{out}: {took}{len(fitted.seen)} good pictures; {others}\n"
        f"{_held_out_text(fitted)}"
        f"next: takt export onnx {out} --good {good} --out REPOSITORY/NAME/VERSION"
    )


def _held_out_text(fitted: Fitted[Any]) -> str:
    """A line on the held-out pictures; of a poor model also a warning; nothing without looks."""
    if fitted.auroc is None:
        return ""
    line = (
        f"image AUROC on held-out good pictures with made-up defects: {fitted.auroc:.3f}, of the "
        f"state after step {fitted.kept_step}, which is kept\n"
    )
    if fitted.auroc >= POOR_AUROC:
        return line
    return (
        f"{line}WARNING: this model tells made-up defects from good pictures little better than a "
        "guess; do not serve it on pictures like these. Fit it longer on more pictures, or take "
        "`takt fit patchcore`\n"
    )


def _sizes_of(pictures: Sequence[Path]) -> SizeRange | None:
    """The sizes of pictures; None without any, or if one was taken away while the fit ran."""
    from export.errors import PicturesError
    from export.pictures import picture_size
    from models.checkpoints.facts import SizeRange

    if not pictures:
        return None
    try:
        return SizeRange.of(map(picture_size, pictures))
    except PicturesError:
        return None
