"""`takt export`: a checkpoint becomes a bundle, gets variants, and goes to Triton."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from takt.headings import HeadedCommand, under, with_options
from takt_export.commands.fit.sizing import asked_size, check_fitted_size
from takt_export.commands.options import (
    COUNT,
    FILTERS,
    FOLDER,
    SHOW_DEFAULTS,
    BundleRequest,
    bundle_command,
    plain_errors,
)
from takt_export.commands.variants import onnxruntime, openvino, tensorrt

if TYPE_CHECKING:
    from takt.core.bundles.manifest import Filter
    from takt_export.triton.config import Kind
    from takt_export.triton.repository import RunsIn
    from takt_models.input_size import InputSize


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
    from takt_export.bundling.checkpoint_source import (
        CheckpointSource,
        with_full_view,
        with_seen,
        with_statistics,
        with_zero_shot,
    )
    from takt_models.checkpoints.formats import load_checkpoint

    checkpoint = load_checkpoint(checkpoints)
    checkpoint = with_full_view(checkpoint) if full_view else checkpoint
    checkpoint = with_zero_shot(checkpoint) if zero_shot else checkpoint
    check_fitted_size(size, checkpoint.model.input_size)
    measured_on = request.fitted_on or request.good
    checkpoint = with_statistics(checkpoint, measured_on, click.echo, request.options.tiling)
    checkpoint = with_seen(checkpoint, request.fitted_on)
    request.write(CheckpointSource(checkpoint, request.roi), checkpoints, resize)


@export.command("triton", cls=HeadedCommand)
@with_options(
    click.argument("bundle", type=FOLDER),
    click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        required=True,
        help="The model repository of Triton; it may have other models.",
    ),
    click.option(
        "--runs-in",
        type=click.Choice(["triton", "python"]),
        default="triton",
        help="What runs the graph: a model of Triton's own, which batches what all clients ask, or "
        "the Python model by Takt's engine, which needs no other backend.",
    ),
    click.option(
        "--engine",
        default="onnxruntime",
        help="The graph: the bundle's own, or a variant by its name, such as tensorrt-fp16.",
    ),
    click.option(
        "--processes",
        type=COUNT,
        default=4,
        help="Processes that decode, judge and draw, each for one request at a time.",
    ),
    under(
        "With --runs-in triton",
        click.option(
            "--max-batch",
            type=click.IntRange(1, 256),
            default=8,
            help="Most pictures in a batch of Triton's; fewer where the graph takes fewer.",
        ),
        click.option(
            "--preferred-batch",
            type=COUNT,
            multiple=True,
            show_default="none",
            help="A size of batch that Triton runs without waiting for more; may be repeated.",
        ),
        click.option(
            "--max-queue-delay-ms",
            type=click.FloatRange(0, 1000),
            default=0.0,
            help="How long Triton holds back a batch that could take more.",
        ),
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "gpu"]),
            default="auto",
            help="Where Triton runs the graph; auto is a GPU if it finds one.",
        ),
    ),
)
@plain_errors
def triton(
    bundle: Path,
    out: Path,
    runs_in: RunsIn,
    engine: str,
    processes: int,
    max_batch: int,
    preferred_batch: tuple[int, ...],
    max_queue_delay_ms: float,
    device: Kind,
) -> None:
    """Write BUNDLE into a model repository of NVIDIA's Triton.

    Clients ask a Python model, which answers encoded pictures as Takt's own server does and needs
    Takt in Triton's Python; docs/triton.md tells how.
    """
    from takt.core.bundles.bundle import load_bundle
    from takt_export.triton.repository import TritonOptions, write_triton

    options = TritonOptions(
        runs_in, engine, processes, max_batch, preferred_batch, max_queue_delay_ms, device
    )
    for model in write_triton(load_bundle(bundle), out, options):
        batches = f", batches of up to {model.max_batch_size}" if model.max_batch_size else ""
        click.echo(f"{out / model.name / model.version}: backend {model.backend}{batches}")


export.add_command(openvino)
export.add_command(onnxruntime)
export.add_command(tensorrt)
