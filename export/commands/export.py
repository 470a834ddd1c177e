"""`takt export`: a checkpoint becomes a bundle, and a bundle gets variants."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from export.commands.fit.sizing import asked_size, check_fitted_size
from export.commands.options import FILTERS, SHOW_DEFAULTS, BundleRequest, bundle_command
from export.commands.variants import onnxruntime, openvino, tensorrt
from service.headings import HeadedCommand

if TYPE_CHECKING:
    from models.input_size import InputSize
    from service.bundles.manifest import Filter


@click.group(context_settings=SHOW_DEFAULTS)
def export() -> None:
    """Turn a checkpoint into a bundle that the service can trust."""


@export.command("onnx", cls=HeadedCommand)
@click.argument(
    "checkpoints", metavar="CHECKPOINT...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@bundle_command(
    click.option(
        "--full-view",
        is_flag=True,
        help="Of a model that crops the centre: resize the whole picture to its input instead.",
    ),
    click.option(
        "--zero-shot",
        is_flag=True,
        help="Of an INP-Former: the map of distances to the nearest intrinsic normal prototype.",
    ),
    click.option(
        "--size",
        metavar="N|WxH|auto",
        callback=asked_size,
        show_default="that of the fit",
        help="The input that the model must have; another one than the fit's takes another fit.",
    ),
    click.option(
        "--resize",
        type=click.Choice(FILTERS),
        show_default="that of the training",
        help="Another filter for pictures; what it changes is measured and kept in the manifest.",
    ),
)
def onnx(
    checkpoints: tuple[Path, ...],
    request: BundleRequest,
    full_view: bool,
    zero_shot: bool,
    size: InputSize | Literal["auto"] | None,
    resize: Filter | None,
) -> None:
    """Write a bundle: the graph, compared with torch, and thresholds from good pictures.

    CHECKPOINT is a file of `takt fit`, an anomalib .ckpt of Dinomaly, EfficientAd, InpFormer or
    Patchcore, the model.pth of the official Dinomaly or INP-Former, or nelson1425's three files.
    """
    from export.bundling.checkpoint_source import (
        CheckpointSource,
        with_full_view,
        with_seen,
        with_statistics,
        with_zero_shot,
    )
    from models.checkpoints.formats import load_checkpoint

    checkpoint = load_checkpoint(checkpoints)
    checkpoint = with_full_view(checkpoint) if full_view else checkpoint
    checkpoint = with_zero_shot(checkpoint) if zero_shot else checkpoint
    check_fitted_size(size, checkpoint.model.input_size)
    measured_on = request.fitted_on or request.good
    checkpoint = with_statistics(checkpoint, measured_on, click.echo, request.options.tiling)
    checkpoint = with_seen(checkpoint, request.fitted_on)
    request.write(CheckpointSource(checkpoint, request.roi), checkpoints, resize)


export.add_command(openvino)
export.add_command(onnxruntime)
export.add_command(tensorrt)
