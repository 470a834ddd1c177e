"""What commands share: options of those that write bundles, and how a command fails."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from service.distribution import CLIENT, install_hint

if TYPE_CHECKING:
    from export.imported.preprocessing import PictureSize
    from service.bundles.manifest import Blend, Tiling

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
FILTERS = ("area", "linear", "pillow_bilinear", "tensor_bilinear")
BLENDS = ("linear", "max", "mean")
USUAL_OVERLAP = 8
"""Tiles overlap by this part of their shorter side where nothing else is asked for."""

OURS = frozenset({"export", "models", "service"})

Command = Callable[..., None]
P = ParamSpec("P")
R = TypeVar("R")

ALPHA = click.option(
    "--alpha", type=click.FloatRange(0, 1, min_open=True, max_open=True),
    show_default="0.01, or the smallest that the pictures allow",
    help="Share of good pictures that may be refused; needs at least 1/alpha - 1 pictures.",
)  # fmt: skip
THREADS = click.option(
    "--threads", type=click.IntRange(min=0), default=0, show_default="every core",
    help="Of ONNX Runtime.",
)  # fmt: skip
REDUCED_DECODE = click.option(
    "--reduced-decode", is_flag=True,
    help="Decode JPEGs that are much larger than the model's input at a half, a quarter or an "
    "eighth of their size: sooner, and a little other than in the training. What that changes is "
    "measured and kept in the manifest. With --resize area only.",
)  # fmt: skip
QUIET = click.option("-q", "--quiet", is_flag=True, help="Show no progress bar.")


def plain_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn errors that we define, of files and of missing packages into click's (exit status 1).

    An error is ours by the package that defines its class, so that nothing heavy is imported to
    recognise it; all others are bugs and keep their trace.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f"this command needs {error.name}; {_hint(error.name)}"
            ) from error
        except Exception as error:
            if _package(error) not in OURS and not isinstance(error, OSError):
                raise
            raise click.ClickException(str(error)) from error

    return run


def _hint(module: str | None) -> str:
    return install_hint(CLIENT if module == "takt_client" else "export")


def _package(error: Exception) -> str:
    return type(error).__module__.partition(".")[0]


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


def tiles(command: Command) -> Command:
    """--tile, --tile-overlap and --tile-blend; they reach the command as one, `tiling`."""

    @functools.wraps(command)
    def run(
        *args: Any,
        tile: PictureSize | None,
        tile_overlap: int | None,
        tile_blend: Blend | None,
        **others: Any,
    ) -> None:
        command(*args, tiling=_tiling(tile, tile_overlap, tile_blend), **others)

    for option in (
        click.option(
            "--tile-blend", type=click.Choice(BLENDS), show_default="linear",
            help="What the map holds where tiles overlap: their mean, weighted by the distance "
            "from the tile's edge; their highest value; or their plain mean.",
        ),
        click.option(
            "--tile-overlap", type=click.IntRange(min=0), metavar="N",
            show_default="an eighth of the tile",
            help="Pixels that neighbouring tiles share; about the longest defect that must be seen "
            "whole.",
        ),
        click.option(
            "--tile", metavar="N|WxH", callback=size,
            help="Look at pictures in tiles of so many of their pixels, each resized to the "
            "model's input. docs/tiling.md tells when.",
        ),
    ):  # fmt: skip
        run = option(run)
    return run


def size(_ctx: click.Context, param: click.Parameter, value: str | None) -> PictureSize | None:
    """Read `256`, or width x height as `320x256`."""
    if value is None:
        return None
    from export.imported.preprocessing import PictureSize

    sides = value.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise click.BadParameter(
            f"{value!r} is no size; give 256, or width x height as 320x256", param=param
        )
    return PictureSize(width=int(sides[0]), height=int(sides[-1]))


def _tiling(tile: PictureSize | None, overlap: int | None, blend: Blend | None) -> Tiling | None:
    from service.bundles.manifest import Tiling

    if tile is None:
        if overlap is not None or blend is not None:
            raise click.UsageError("--tile-overlap and --tile-blend go with --tile")
        return None
    shorter = min(tile.width, tile.height)
    overlap = shorter // USUAL_OVERLAP if overlap is None else overlap
    if 2 * overlap > shorter:
        raise click.UsageError(
            f"--tile-overlap {overlap} is more than half of a tile's side of {shorter}; give "
            f"{shorter // 2} or less, or larger tiles"
        )
    return Tiling(width=tile.width, height=tile.height, overlap=overlap, blend=blend or "linear")
