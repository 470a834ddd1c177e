"""Preprocessing of pictures for a foreign graph, from the graph itself and from its owner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from takt.core.bundles.manifest import OF_FLOATS, Crop, Filter, Preprocess
from takt_export.errors import ExportError
from takt_export.imported.built_in import BuiltInNormalisation, BuiltInPreprocessing
from takt_export.imported.input_transform import InputTransform
from takt_export.imported.signature import InputPort, Layout, White

Tell = Callable[[str], None]

USUAL = (
    "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 for pictures normalised as for ImageNet, "
    "--mean 0 --std 1 for plain ones from 0 to 1, --white 255 for plain ones from 0 to 255"
)


@dataclass(frozen=True)
class PictureSize:
    """Size of a picture in pixels.

    >>> str(PictureSize(width=320, height=256))
    '320x256'
    """

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class InputOptions:
    """Facts on the input that a graph's owner gives; None leaves one to the graph.

    Attributes:
        size: size of the graph's input, if that is open.
        layout: layout of the input.
        bgr: whether the graph takes blue first.
        mean: of each channel in the graph's order or one for all, for pictures from 0 to 1.
        std: of each channel in the graph's order or one for all, for pictures from 0 to 1.
        white: value of a white pixel, before mean and std.
        resize: filter of the training; None takes torchvision's of the graph's own resize.
        crop_from: size from whose centre the training cropped the input.
    """

    size: PictureSize | None = None
    layout: Layout | None = None
    bgr: bool = False
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    white: White | None = None
    resize: Filter | None = None
    crop_from: PictureSize | None = None


class _Values(NamedTuple):
    mean: tuple[float, ...]
    std: tuple[float, ...]
    white: White


def find_transform(
    path: Path,
    port: InputPort,
    built_in: BuiltInPreprocessing,
    options: InputOptions,
    tell: Tell,
    *,
    anomalib: bool = False,
) -> InputTransform:
    """Steps from a model input to the graph's input.

    Args:
        path: file of the graph, for messages.
        port: input of the graph.
        built_in: preprocessing inside the graph.
        options: facts from the graph's owner.
        tell: takes lines about the findings.
        anomalib: whether anomalib 2 wrote the graph, which then takes pictures from 0 to 1:
            whatever its training did to them is inside.

    Raises:
        ExportError: a fact is missing, or contradicts the graph.
    """
    if options.bgr and port.channels == 1:
        raise ExportError(f"{path} takes grey pictures, which have no order of channels")
    mean, std, white = _values(
        path, port, built_in.normalisation(), options, tell, anomalib=anomalib
    )
    size = _size(path, port, built_in, options.size, tell)
    return InputTransform(
        port=port,
        height=size.height,
        width=size.width,
        window=_window(built_in, size, tell),
        bgr=options.bgr,
        mean=mean,
        std=std,
        white=white,
    )


def preprocess_of(
    transform: InputTransform, options: InputOptions, *, cubic: bool = False
) -> Preprocess:
    """Preprocessing from a picture to the model input: the resize and crop of training and graph.

    The input is float32 where the training resized floats and the graph can tell.

    The corner of an uneven rest is rounded half to even, as torchvision's CenterCrop does.

    Args:
        transform: steps from the model input to the graph's input.
        options: facts from the graph's owner.
        cubic: whether the graph resizes by cubics.

    Raises:
        ExportError: the crop is larger than the picture.
    """
    whole = options.crop_from or PictureSize(transform.width, transform.height)
    if whole.width < transform.width or whole.height < transform.height:
        raise ExportError(
            f"--crop-from {whole}: the graph's input of {transform.width}x{transform.height} "
            "pixels cannot be cut out of that"
        )
    x, y = round((whole.width - transform.width) / 2), round((whole.height - transform.height) / 2)
    inner = transform.window or Crop(x=0, y=0, width=transform.width, height=transform.height)
    crop = Crop(x=x + inner.x, y=y + inner.y, width=inner.width, height=inner.height)
    resize = options.resize or ("tensor_bicubic" if cubic else "tensor_bilinear")
    nothing_cut = (crop.width, crop.height) == (whole.width, whole.height)
    return Preprocess(
        width=whole.width,
        height=whole.height,
        resize=resize,
        input="float32" if resize in OF_FLOATS and transform.takes_floats else "uint8",
        crop=None if nothing_cut else crop,
    )


def _size(
    path: Path,
    port: InputPort,
    built_in: BuiltInPreprocessing,
    asked: PictureSize | None,
    tell: Tell,
) -> PictureSize:
    """Size of the graph's input."""
    is_fixed = port.height is not None and port.width is not None
    own = None if is_fixed else built_in.own_size()
    size = asked or (PictureSize(own[1], own[0]) if own else None)
    if size is None and not is_fixed:
        raise ExportError(
            f"{path} takes pictures of any size; say that of its training with --size, such as "
            "--size 256 or --size 320x256 (width x height)"
        )
    size = size or PictureSize(port.width or 0, port.height or 0)
    if size.width != (port.width or size.width) or size.height != (port.height or size.height):
        raise ExportError(
            f"{path} takes pictures of {port.width or 'any'}x{port.height or 'any'} pixels "
            f"(width x height), not of {size}; correct --size, or leave it out"
        )
    resized = built_in.resized(size.height, size.width)
    if resized is not None and resized != (size.height, size.width):
        tell(
            f"warning: the graph resizes pictures of {size} pixels to {resized[1]}x{resized[0]} by "
            "itself, hardly as its training did; give it that size with --size, or where its input "
            "is fixed export it again with that size"
        )
    elif own and asked is None:
        tell(f"the graph resizes its pictures to {size} pixels, so they reach it at that size")
    return size


def _values(
    path: Path,
    port: InputPort,
    own: BuiltInNormalisation | None,
    options: InputOptions,
    tell: Tell,
    *,
    anomalib: bool,
) -> _Values:
    """Mean, std and white of the graph's input."""
    given = (options.mean, options.std, options.white) != (None, None, None)
    if port.dtype == np.uint8:
        if given:
            raise ExportError(
                f"{path} takes pixels as they are, in uint8; leave --mean, --std and --white out"
            )
        return _Values((0.0,), (1.0,), 255)
    if given:
        values = _given(path, port, options)
        if own is not None and (
            own.white not in (None, values.white) or (values.mean, values.std) != ((0.0,), (1.0,))
        ):
            tell(
                f"warning: the graph normalises its pictures by itself ({_of(own)}), and what "
                "--mean, --std and --white say comes before that"
            )
        return values
    if own is not None and own.white is not None:
        tell(
            f"the graph normalises by itself ({_of(own)}), so it gets pictures from 0 to "
            f"{own.white}"
        )
        return _Values((0.0,), (1.0,), own.white)
    if anomalib:
        tell("anomalib's graphs take pictures from 0 to 1, and so does this one")
        return _Values((0.0,), (1.0,), 1)
    what = (
        "nothing in the graph normalises its pictures"
        if own is None
        else f"what the graph does to its pictures first ({_of(own)}) is no usual normalisation"
    )
    raise ExportError(f"{path}: {what}, so say what it was trained on: {USUAL}")


def _given(path: Path, port: InputPort, options: InputOptions) -> _Values:
    if (options.mean is None) != (options.std is None):
        raise ExportError("--mean and --std belong together; give both, or neither")
    mean, std = options.mean or (0.0,), options.std or (1.0,)
    for name, numbers in (("mean", mean), ("std", std)):
        if len(numbers) not in (1, port.channels):
            raise ExportError(
                f"--{name} has {len(numbers)} numbers, and the pictures of {path} have "
                f"{port.channels} channels; give one number for each, or one for all"
            )
    return _Values(mean, std, options.white or 1)


def _window(built_in: BuiltInPreprocessing, size: PictureSize, tell: Tell) -> Crop | None:
    """Part of its input that the graph looks at; None for the whole."""
    try:
        window = built_in.window(size.height, size.width)
    except ValueError:
        tell(
            "warning: the graph cuts its pictures in a way that cannot be followed, so regions may "
            "lie elsewhere on the picture than the map says; export it without the crop, and "
            "say --crop-from"
        )
        return None
    if window is not None:
        tell(
            f"the graph cuts {window.width}x{window.height} pixels at ({window.x}, {window.y}) out "
            f"of {size}; the map lies there"
        )
    return window


def _of(own: BuiltInNormalisation) -> str:
    """`mean 0.485, 0.456, 0.406; std 0.229, 0.224, 0.225`."""
    return f"mean {_numbers(own.mean)}; std {_numbers(own.std)}"


def _numbers(numbers: tuple[float, ...]) -> str:
    distinct = numbers if len(set(numbers)) > 1 else numbers[:1]
    return ", ".join(f"{number:g}" for number in distinct)
