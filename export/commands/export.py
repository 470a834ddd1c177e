"""`takt export`: a checkpoint becomes a bundle, and a bundle gets variants."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from export.commands.options import (
    FILTERS,
    REDUCED_DECODE,
    pictures_and_place,
    plain_errors,
    thresholds_and_checks,
    tiles,
)
from export.commands.variants import onnxruntime, openvino, tensorrt

if TYPE_CHECKING:
    from service.bundles.manifest import Filter, Tiling


@click.group()
def export() -> None:
    """Turn a checkpoint into a bundle that the service can trust."""


@export.command("onnx")
@click.argument(
    "checkpoints",
    metavar="CHECKPOINT...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
@pictures_and_place
@click.option(
    "--full-view",
    is_flag=True,
    help="Of a model that crops the centre: resize the whole picture to its input instead.",
)
@click.option(
    "--zero-shot",
    is_flag=True,
    help="Of an INP-Former: the map of distances to the nearest intrinsic normal prototype.",
)
@click.option(
    "--resize",
    type=click.Choice(FILTERS),
    show_default="that of the training",
    help="Another filter for pictures; what it changes is measured and kept in the manifest.",
)
@REDUCED_DECODE
@tiles
@thresholds_and_checks
@plain_errors
def onnx(
    checkpoints: tuple[Path, ...],
    good: Path,
    defects: Path | None,
    fitted_on: Path | None,
    roi: Path | None,
    out: Path,
    alpha: float | None,
    keep_thresholds: bool,
    full_view: bool,
    zero_shot: bool,
    resize: Filter | None,
    reduced_decode: bool,
    tiling: Tiling | None,
    allow_drift: float,
    threads: int,
    quiet: bool,
) -> None:
    """Write a bundle: the graph, compared with torch, and thresholds from good pictures.

    CHECKPOINT is a file of `takt fit`, an anomalib .ckpt of EfficientAd or InpFormer, the official
    INP-Former's model.pth, or nelson1425's three files together.
    """
    from export.bundling.checkpoint_source import (
        CheckpointSource,
        complete,
        seen_of,
        view_whole,
        zero_shots,
    )
    from export.bundling.export_bundle import ExportOptions, check_folder, export_bundle
    from export.bundling.roi import read_roi
    from export.pictures import list_pictures
    from models.checkpoints import load_checkpoint

    check_folder(out)
    region = read_roi(roi) if roi else None
    pictures = list_pictures(good)
    defective = list_pictures(defects) if defects else ()
    trained_on = list_pictures(fitted_on) if fitted_on else ()
    checkpoint = load_checkpoint(checkpoints)
    for assumption in checkpoint.assumptions:
        click.echo(f"assumed: {assumption}")
    checkpoint = view_whole(checkpoint) if full_view else checkpoint
    checkpoint = zero_shots(checkpoint) if zero_shot else checkpoint
    checkpoint = complete(checkpoint, trained_on or pictures, click.echo, tiling)
    report = export_bundle(
        CheckpointSource(seen_of(checkpoint, trained_on), region),
        pictures,
        defective,
        out,
        ExportOptions(
            alpha=alpha,
            allowed_drift=allow_drift,
            keep_thresholds=keep_thresholds,
            resize=resize,
            reduced_decode=reduced_decode,
            tiling=tiling,
            threads=threads,
        ),
        tell=click.echo,
        quiet=quiet,
    )
    click.echo(report.text())


export.add_command(openvino)
export.add_command(onnxruntime)
export.add_command(tensorrt)
