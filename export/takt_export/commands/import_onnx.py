"""`takt import`: models that somebody else exported."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from takt.headings import HeadedCommand
from takt_export.commands.options import FILTERS, SHOW_DEFAULTS, BundleRequest, bundle_command, size


def _channels(
    _ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[float, ...] | None:
    """Read one number for all channels, or one for each; pictures go from 0 to 1."""
    if value is None:
        return None
    try:
        numbers = tuple(float(number) for number in value.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3) or not all(map(math.isfinite, numbers)):
        raise click.BadParameter(
            f"{value!r} is not one number, or three with commas between", param=param
        )
    if max(map(abs, numbers)) > 1:
        raise click.BadParameter("it is for pictures from 0 to 1; divide it by 255", param=param)
    if param.name == "std" and min(numbers) <= 0:
        raise click.BadParameter("a standard deviation is greater than 0", param=param)
    return numbers


@click.group("import", context_settings=SHOW_DEFAULTS)
def import_() -> None:
    """Turn a model that somebody else exported into a bundle."""


@import_.command("onnx", cls=HeadedCommand)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@bundle_command(
    click.option(
        "--size",
        metavar="N|WxH",
        callback=size,
        help="Of the graph's input, where that is open and the graph does not resize by itself.",
    ),
    click.option(
        "--layout",
        type=click.Choice(["nchw", "nhwc"]),
        help="Of the graph's input, where its shape does not tell.",
    ),
    click.option(
        "--channels",
        "bgr",
        callback=lambda _ctx, _param, channels: channels == "bgr",
        type=click.Choice(["rgb", "bgr"]),
        default="rgb",
        help="The order that the graph takes.",
    ),
    click.option(
        "--mean",
        metavar="N[,N,N]",
        callback=_channels,
        show_default="found, where the graph normalises by itself",
        help="Of pictures from 0 to 1, in the order of --channels: 0.485,0.456,0.406 of ImageNet, "
        "0 of plain ones.",
    ),
    click.option(
        "--std",
        metavar="N[,N,N]",
        callback=_channels,
        show_default="found, as --mean",
        help="Of the same pictures, by channel: 0.229,0.224,0.225 of ImageNet, 1 of plain ones.",
    ),
    click.option(
        "--white",
        callback=lambda _ctx, _param, white: None if white is None else int(white),
        type=click.Choice(["1", "255"]),
        show_default="found, else 1",
        help="What the graph takes for white, before --mean and --std.",
    ),
    click.option(
        "--resize",
        type=click.Choice(FILTERS),
        show_default="tensor_bicubic where the graph resizes by cubics, else tensor_bilinear",
        help="How the training resized its pictures, which hardly a graph tells: tensor_bilinear "
        "and tensor_bicubic are torchvision's on tensors and anomalib's, pillow_bilinear that on "
        "PIL images, area and linear are OpenCV's.",
    ),
    click.option(
        "--crop-from",
        metavar="N|WxH",
        callback=size,
        help="The training resized pictures to this and cut the graph's input out of the centre.",
    ),
    click.option(
        "--map-output",
        metavar="NAME",
        show_default="found",
        help="The output with the anomaly map; `none` takes the score for a map of one cell.",
    ),
    click.option(
        "--score-output",
        metavar="NAME",
        show_default="found",
        help="The output with the score; `none` takes the map's maximum.",
    ),
    click.option(
        "--before-cut",
        is_flag=True,
        help="Take score and map before the graph cuts them off at limits, as anomalib 2 does at 0 "
        "and 1; beyond these, good and bad pictures score the same.",
    ),
    click.option("--family", default="imported", help="Of the model."),
    click.option("--variant", show_default="the file's name", help="Of the family."),
)
def onnx(
    file: Path,
    request: BundleRequest,
    map_output: str | None,
    score_output: str | None,
    before_cut: bool,
    family: str,
    variant: str | None,
    **pictures: Any,
) -> None:
    """Write a bundle from FILE, an ONNX graph of any anomaly detector.

    It takes one picture and answers with an anomaly map, a score, or both. What FILE does not
    show is asked for. The bundle answers as FILE does in ONNX Runtime, and is checked against it.
    """
    from takt_export.imported.preprocessing import InputOptions
    from takt_export.imported.source import ImportOptions, open_source

    source = open_source(
        file,
        request.good,
        ImportOptions(
            pictures=InputOptions(**pictures),
            map_output=map_output,
            score_output=score_output,
            family=family,
            variant=variant,
            allowed_drift=request.options.allowed_drift,
            before_cut=before_cut,
            threads=request.options.threads,
            roi=request.roi,
        ),
        seen=request.fitted_on,
        tell=click.echo,
    )
    request.write(source, (file,))
