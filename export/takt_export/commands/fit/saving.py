"""The state of a fit while it runs, and its checkpoint in the end."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from takt_models.checkpoints.facts import SizeRange
    from takt_models.fit.progress import Fitted

POOR_AUROC = 0.75
"""Image AUROC on made-up defects below which a fit warns of its model."""


@contextlib.contextmanager
def resumable(out: Path) -> Iterator[None]:
    """Keeps a fit's state until its checkpoint is written, and names the state on Ctrl-C.

    Raises:
        click.ClickException: the checkpoint is there already, or another process makes it, or the
            loss curve would take its place.
        OSError: its folder cannot be written to.
    """
    from takt_models.fit.resume import Resume

    if _curve_of(out) == out:
        raise click.ClickException(
            f"the loss curve goes beside the checkpoint as .csv, and would take its place: give "
            f"--out {out.with_suffix('.safetensors')}"
        )
    state = Resume(out, {}, {}).path
    with _alone(out):
        if out.exists():
            raise click.ClickException(f"{out} exists; delete it, or give another --out")
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


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keeps other processes from a checkpoint and its state during the block.

    Raises:
        click.ClickException: another one makes it.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    lock = out.with_name(f".{out.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise click.ClickException(
                    f"{out} is being made already: wait until that is over, or give another --out"
                ) from None
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def save_detector(
    out: Path,
    fitted: Fitted[Any],
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
    from takt_export.versions import package_versions
    from takt_models.checkpoints.own import FitFacts, save_checkpoint
    from takt_models.fit.progress import write_curve

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
    save_checkpoint(out, fitted.model, known, fitted.out_of_fold, fitted.good_cells)
    if fitted.curve:
        write_curve(_curve_of(out), fitted.curve)
        took = f"{fitted.steps} steps, {fitted.steps_per_s:.2f} a second, on "
    else:
        banks = (one for name, one in fitted.model.state_dict().items() if "vectors" in name)
        took = f"{sum(map(len, banks))} vectors, of "
    others = f"{len(fitted.calibration)} more were never looked at"
    if (scored := fitted.out_of_fold) is not None:
        others = (
            f"{len(scored.pictures)} of them were scored without their own of {scored.folds} folds"
        )
    click.echo(
        f"{out}: {took}{len(fitted.seen)} good pictures; {others}\n"
        f"{_held_out_text(fitted)}"
        f"next: takt export onnx {quote(str(out))} --good {quote(str(good))} "
        "--out REPOSITORY/NAME/VERSION"
    )


def _curve_of(out: Path) -> Path:
    """The file of the loss curve of a checkpoint."""
    return out.with_suffix(".csv")


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
    from takt_export.errors import PicturesError
    from takt_export.pictures import picture_size
    from takt_models.checkpoints.facts import SizeRange

    if not pictures:
        return None
    try:
        return SizeRange.of(map(picture_size, pictures))
    except PicturesError:
        return None
