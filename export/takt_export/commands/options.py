"""What the offline commands share: options, and how a command fails."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from takt.commands.sign_key import read_key
from takt.core.distribution import CLIENT, install_hint
from takt.core.errors import TaktError
from takt.core.host import spin_briefly
from takt.headings import Command, Option, under, with_options
from takt.mirroring.option import HostFolder
from takt_export.commands.camera_files import DEPTH, ORIENTATION
from takt_export.commands.promise import ALPHA, GROUP, LOT, FiniteRange
from takt_export.out_folder import check_folder

if TYPE_CHECKING:  # what makes bundles takes seconds to load
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from takt.core.bundles.manifest import Filter, InputType
    from takt.core.bundles.tiling import Blend, Tiling
    from takt.core.domain import Depth, Orientation
    from takt.core.pictures.roi import RoiShape
    from takt_export.bundling.export_bundle import ExportOptions
    from takt_export.bundling.source import ModelSource
    from takt_export.calibration.grouping import Grouping
    from takt_export.imported.preprocessing import PictureSize

SHOW_DEFAULTS = {"show_default": True}
"""Context settings of each command and group: --help shows every option's default."""

FOLDER = HostFolder(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
COUNT = click.IntRange(min=1)
POSITIVE = FiniteRange(0, min_open=True)
SHARE = FiniteRange(0, 1, min_open=True, max_open=True)
FILTERS = ("area", "linear", "pillow_bilinear", "tensor_bilinear", "tensor_bicubic")
INPUT_TYPES = ("uint8", "float32")
BLENDS = ("linear", "max", "mean")
USUAL_OVERLAP = 8
"""Tiles overlap by this part of their shorter side, unless --tile-overlap says otherwise."""

P = ParamSpec("P")
R = TypeVar("R")


def threads(help: str, show_default: str = "every core") -> Option:
    """The option --threads; 0 leaves the number to the library."""
    return click.option(
        "--threads", type=click.IntRange(min=0), default=0, show_default=show_default, help=help
    )


QUIET = click.option("-q", "--quiet", is_flag=True, help="Show no progress bar.")
THREADS = threads("Of ONNX Runtime.")
DEVICE_ID = click.option("--device-id", type=click.IntRange(min=0), default=0, help="The GPU.")
SEED = click.option("--seed", type=click.IntRange(min=0), default=0, help="Of everything random.")
STRICT = click.option(
    "--strict",
    is_flag=True,
    help="Write nothing and end with 1 if the self-test finds anything against the model.",
)


SIGN_KEY = click.option(
    "--sign-key",
    type=FILE,
    callback=read_key,
    help="Also sign the bundle with this private key, as `takt sign` does.",
)


def plain_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn our own errors, and those of files and missing packages, into click's (exit status 1).

    An error of the models is ours by the package that defines its class, so that nothing heavy is
    imported to recognise it; all that are not ours are bugs and keep their trace.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        spin_briefly()
        try:
            return command(*args, **kwargs)
        except ModuleNotFoundError as error:
            hint = install_hint(CLIENT if error.name == "takt_client" else "train")
            raise click.ClickException(f"this command needs {error.name}; {hint}") from error
        except Exception as error:
            of_models = type(error).__module__.partition(".")[0] == "takt_models"
            if not of_models and not isinstance(error, (TaktError, OSError)):
                raise
            raise click.ClickException(str(error)) from error

    return run


def check_outputs(*files: Path | None) -> None:
    """Refuse files that cannot be written, before long work whose figures would be lost.

    Raises:
        click.ClickException: one has no folder, or may not be written to.
    """
    for file in filter(None, files):
        folder = file.absolute().parent
        if not folder.is_dir():
            raise click.ClickException(
                f"{file} cannot be written: there is no folder {file.parent}"
            )
        if not os.access(file if file.exists() else folder, os.W_OK):
            raise click.ClickException(
                f"{file} cannot be written: name a file in a folder that may be written to"
            )


@dataclass(frozen=True)
class BundleRequest:
    """Checked arguments of a command that writes a bundle.

    Attributes:
        good: pictures of good parts.
        defects: pictures of defective parts; may be empty.
        fitted_on: pictures that the training has seen; may be empty.
        roi: the region of interest; the whole picture if None.
        out: the bundle's folder, which does not exist.
        options: of the export.
        quiet: show no progress bar.
    """

    good: tuple[Path, ...]
    defects: tuple[Path, ...]
    fitted_on: tuple[Path, ...]
    roi: RoiShape | None
    out: Path
    options: ExportOptions
    quiet: bool

    def write(
        self, source: ModelSource, origin: tuple[Path, ...], resize: Filter | None = None
    ) -> None:
        """Write the bundle and print its report.

        Args:
            source: the model.
            origin: files that it came from.
            resize: filter instead of the training's.
        """
        from takt_export.bundling.export_bundle import export_bundle

        report = export_bundle(
            source,
            self.good,
            self.defects,
            self.out,
            replace(self.options, resize=resize, origin=origin),
            tell=click.echo,
            quiet=self.quiet,
        )
        click.echo(report.text())


def bundle_command(*own: Option) -> Option:
    """Give a command the options of all that write a bundle, around its `own`.

    They reach the command as one argument, `request`.
    """

    def decorate(command: Command) -> Command:
        @plain_errors
        @functools.wraps(command)
        def run(
            *,
            good: Path,
            defects: Path | None,
            fitted_on: Path | None,
            roi: Path | None,
            out: Path,
            input_type: InputType | None,
            reduced_decode: bool,
            orientation: Orientation | None,
            depth: Depth | None,
            tile: PictureSize | None,
            tile_overlap: int | None,
            tile_blend: Blend | None,
            alpha: float | None,
            keep_thresholds: bool,
            allow_drift: float,
            grouping: Grouping,
            strict: bool,
            sign_key: Ed25519PrivateKey | None,
            threads: int,
            quiet: bool,
            **own: Any,
        ) -> None:
            tiling = _tiling(tile, tile_overlap, tile_blend)
            check_folder(out)
            from takt_export.bundling.export_bundle import ExportOptions
            from takt_export.bundling.roi import read_roi
            from takt_export.pictures import list_pictures

            request = BundleRequest(
                roi=read_roi(roi) if roi else None,
                good=list_pictures(good),
                defects=list_pictures(defects) if defects else (),
                fitted_on=list_pictures(fitted_on) if fitted_on else (),
                out=out,
                options=ExportOptions(
                    alpha=alpha,
                    allowed_drift=allow_drift,
                    keep_thresholds=keep_thresholds,
                    input_type=input_type,
                    reduced_decode=reduced_decode,
                    tiling=tiling,
                    threads=threads,
                    strict=strict,
                    sign_key=sign_key,
                    grouping=grouping,
                    orientation=orientation,
                    depth=depth,
                ),
                quiet=quiet,
            )
            command(request=request, **own)

        return with_options(
            *BUNDLE_PICTURES, under("The model", *own), BUNDLE_INPUT, BUNDLE_CHECKS, *RUNNING
        )(run)

    return decorate


def size(_ctx: click.Context, param: click.Parameter, value: str | None) -> PictureSize | None:
    """Read `256`, or width x height as `320x256`."""
    if value is None:
        return None
    from takt_export.imported.preprocessing import PictureSize

    sides = value.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise click.BadParameter(
            f"{value!r} is no size; give 256, or width x height as 320x256", param=param
        )
    return PictureSize(width=int(sides[0]), height=int(sides[-1]))


def _tiling(tile: PictureSize | None, overlap: int | None, blend: Blend | None) -> Tiling | None:
    from takt.core.bundles.tiling import Tiling

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


BUNDLE_PICTURES = (
    click.option(
        "--good", type=FOLDER, required=True,
        help="Pictures of good parts; those that the training has seen are left out."
    ),
    click.option(
        "--defects", type=FOLDER,
        help="Pictures of defective parts; the thresholds do not use them."
    ),
    click.option(
        "--fitted-on", type=FOLDER,
        help="The good pictures of the training, where the file does not know them: no "
        "threshold comes from these. They give the statistics that a checkpoint lacks; without "
        "them --good does."
    ),
    click.option(
        "--roi", type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="What counts of a picture, the rest never does: a JSON file with polygons, or a "
        "picture that is black elsewhere. docs/roi.md tells how to draw one."
    ),
    click.option(
        "--out", type=click.Path(path_type=Path), required=True,
        help="The bundle: REPOSITORY/NAME/VERSION, such as bundles/part/1."
    ),
)  # fmt: skip
BUNDLE_INPUT = under(
    "What the model sees",
    click.option(
        "--input", "input_type", type=click.Choice(INPUT_TYPES),
        show_default="float32 where the training resized floats",
        help="What the graph takes: uint8 rounds resized pictures to whole levels, which takes a "
        "quarter of the memory; where the training did not round, what that changes is measured "
        "and kept in the manifest."
    ),
    click.option(
        "--reduced-decode", is_flag=True,
        help="Decode JPEGs that are much larger than the model's input at a half, a quarter or an "
        "eighth of their size: sooner, and a little other than in the training. What that changes "
        "is measured and kept in the manifest. With --resize area only."
    ),
    ORIENTATION,
    DEPTH,
    click.option(
        "--tile", metavar="N|WxH", callback=size,
        help="Look at pictures in tiles of so many of their pixels, each resized to the "
        "model's input. docs/tiling.md tells when."
    ),
    click.option(
        "--tile-overlap", type=click.IntRange(min=0), metavar="N",
        show_default="an eighth of the tile",
        help="Pixels that neighbouring tiles share; about the longest defect that must be seen "
        "whole."
    ),
    click.option(
        "--tile-blend", type=click.Choice(BLENDS), show_default="linear",
        help="What the map holds where tiles overlap: their mean, weighted by the distance "
        "from the tile's edge; their highest value; or their plain mean."
    ),
)  # fmt: skip
BUNDLE_CHECKS = under(
    "Thresholds and checks",
    ALPHA,
    GROUP,
    LOT,
    click.option(
        "--keep-thresholds", is_flag=True,
        help="Take the thresholds that the training left in the file, or in anomalib's "
        "metadata.json beside it; --alpha is not used."
    ),
    click.option(
        "--allow-drift", type=FiniteRange(min=0), default=1e-4,
        help="Largest difference of score and map between the trained model and the bundle's "
        "graph, as a part of the largest answer where that is above 1."
    ),
    STRICT,
)  # fmt: skip
RUNNING = (SIGN_KEY, THREADS, QUIET)
