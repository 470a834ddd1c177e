"""The options that every command has which writes a bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
FILTERS = ("area", "linear", "pillow_bilinear", "tensor_bilinear")

Command = Callable[..., None]

ALPHA = click.option(
    "--alpha", type=click.FloatRange(0, 1, min_open=True, max_open=True),
    show_default="0.01, or the smallest that the pictures allow",
    help="Share of good pictures that may be refused; needs at least 1/alpha - 1 pictures.",
)  # fmt: skip
THREADS = click.option(
    "--threads", type=click.IntRange(min=0), default=0, show_default="every core",
    help="Of ONNX Runtime.",
)  # fmt: skip
QUIET = click.option("-q", "--quiet", is_flag=True, help="Show no progress bar.")


def pictures_and_place(command: Command) -> Command:
    """--good, --defects, --fitted-on, --roi and --out."""
    for option in (
        click.option(
            "--out", type=click.Path(path_type=Path), required=True,
            help="The bundle: REPOSITORY/NAME/VERSION.",
        ),
        click.option(
            "--roi", type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="What counts of a picture, the rest never does: a JSON file with polygons, or a "
            "picture that is black elsewhere. docs/roi.md tells how to draw one.",
        ),
        click.option(
            "--fitted-on", type=FOLDER,
            help="The good pictures of the training, where the file does not know them: no "
            "threshold comes from these. They give the statistics that a checkpoint lacks; without "
            "them --good does.",
        ),
        click.option(
            "--defects", type=FOLDER,
            help="Pictures of defective parts; the thresholds do not use them.",
        ),
        click.option(
            "--good", type=FOLDER, required=True,
            help="Pictures of good parts; those that the training has seen are left out.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def thresholds_and_checks(command: Command) -> Command:
    """--alpha, --keep-thresholds, --allow-drift, --threads and --quiet."""
    for option in (
        QUIET,
        THREADS,
        click.option(
            "--allow-drift", type=click.FloatRange(min=0), default=1e-4, show_default=True,
            help="Largest difference of score and map between the trained model and the bundle's "
            "graph.",
        ),
        click.option(
            "--keep-thresholds", is_flag=True,
            help="Take the thresholds that the training left in the file, or in anomalib's "
            "metadata.json beside it; --alpha is not used.",
        ),
        ALPHA,
    ):  # fmt: skip
        command = option(command)
    return command
