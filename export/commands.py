"""The offline commands of `takt`, found through entry points: fit, export, eval."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from export.bundle_options import (
    FILE,
    FILTERS,
    FOLDER,
    pictures_and_place,
    thresholds_and_checks,
)
from export.failures import plain_errors
from export.fit_commands import fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from export.evaluate import Evaluation
    from export.pictures import Sample
    from service.bundle import Bundle, Filter

__all__ = ["evaluate", "export", "fit"]


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
@thresholds_and_checks
@plain_errors
def onnx(
    checkpoints: tuple[Path, ...],
    good: Path,
    defects: Path | None,
    fitted_on: Path | None,
    out: Path,
    alpha: float,
    keep_thresholds: bool,
    full_view: bool,
    zero_shot: bool,
    resize: Filter | None,
    allow_drift: float,
    threads: int,
    quiet: bool,
) -> None:
    """Write a bundle: the graph, compared with torch, and thresholds from good pictures.

    CHECKPOINT is a file of `takt fit`, an anomalib .ckpt of EfficientAd or InpFormer, the official
    INP-Former's model.pth, or nelson1425's three files together.
    """
    from export.checkpoint_source import CheckpointSource, complete, seen_of, view_whole, zero_shots
    from export.onnx import ExportOptions, check_folder, export_bundle
    from export.pictures import list_pictures
    from models.checkpoints import load_checkpoint

    check_folder(out)
    pictures = list_pictures(good)
    defective = list_pictures(defects) if defects else ()
    trained_on = list_pictures(fitted_on) if fitted_on else ()
    checkpoint = load_checkpoint(checkpoints)
    for assumption in checkpoint.assumptions:
        click.echo(f"assumed: {assumption}")
    checkpoint = view_whole(checkpoint) if full_view else checkpoint
    checkpoint = zero_shots(checkpoint) if zero_shot else checkpoint
    checkpoint = complete(checkpoint, trained_on or pictures, click.echo)
    report = export_bundle(
        CheckpointSource(seen_of(checkpoint, trained_on)),
        pictures,
        defective,
        out,
        ExportOptions(
            alpha=alpha,
            allowed_drift=allow_drift,
            keep_thresholds=keep_thresholds,
            resize=resize,
            threads=threads,
        ),
        tell=click.echo,
        quiet=quiet,
    )
    click.echo(report.text())


@click.command("eval")
@click.argument("bundle", type=FOLDER)
@click.option(
    "--data",
    type=FOLDER,
    required=True,
    help="Labelled pictures: test/good, test/<defect> and ground_truth/<defect>, or good and bad.",
)
@click.option("--url", help="Ask this server, which runs the bundle, instead of this process.")
@click.option("--json", "json_file", type=FILE, help="Also write the figures here.")
@click.option(
    "--threads",
    type=click.IntRange(min=0),
    default=0,
    show_default="every core",
    help="Of ONNX Runtime, without --url.",
)
@click.option("-q", "--quiet", is_flag=True, help="Show no progress bar.")
@plain_errors
def evaluate(
    bundle: Path, data: Path, url: str | None, json_file: Path | None, threads: int, quiet: bool
) -> None:
    """Measure a bundle on labelled pictures: AUROC, verdicts and latency."""
    from export.pictures import read_data_set
    from export.tables import evaluation_table
    from service.bundle import load_bundle

    loaded = load_bundle(bundle)
    samples = read_data_set(data)
    result = (
        _through_server(url, loaded, samples, quiet=quiet)
        if url
        else _in_process(loaded, samples, threads, quiet=quiet)
    )
    click.echo(evaluation_table(result))
    if json_file is not None:
        text = json.dumps(dataclasses.asdict(result), indent=2)
        json_file.write_text(text + "\n", encoding="utf-8")


def _in_process(
    bundle: Bundle, samples: Sequence[Sample], threads: int, *, quiet: bool
) -> Evaluation:
    from export.evaluate import evaluate as evaluate_on
    from export.inspectors import LocalInspector

    manifest = bundle.manifest
    with LocalInspector(bundle, threads=threads) as inspector:
        return evaluate_on(
            inspector, samples, model=manifest.name, version=manifest.version, quiet=quiet
        )


def _through_server(
    url: str, bundle: Bundle, samples: Sequence[Sample], *, quiet: bool
) -> Evaluation:
    from export.evaluate import evaluate as evaluate_on
    from export.inspectors import HttpInspector, check_same_model, open_client

    manifest = bundle.manifest
    with open_client(url) as client:
        inspector = HttpInspector(client, manifest)
        check_same_model(inspector, bundle)
        return evaluate_on(
            inspector, samples, model=manifest.name, version=manifest.version, quiet=quiet
        )
