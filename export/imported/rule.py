"""How pictures get into a foreign graph: what it shows by itself, and what its owner says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.errors import ExportError
from export.imported.feed import FeedRule
from export.imported.roles import InputPort, Layout
from export.imported.view import Normalisation, PictureView, White
from service.bundles.manifest import Crop, Filter, Preprocess

Tell = Callable[[str], None]

USUAL = (
    "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 for pictures normalised as for ImageNet, "
    "--mean 0 --std 1 for plain ones from 0 to 1, --white 255 for plain ones from 0 to 255"
)


@dataclass(frozen=True)
class Size:
    """Of a picture, in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class InputOptions:
    """What only the owner of a graph knows of its input; what is None is looked for.

    Attributes:
        size: of the graph's input, where that is open.
        layout: of the input.
        bgr: the graph takes blue first.
        mean: of each channel in the graph's order, or one for all, for pictures from 0 to 1.
        std: likewise.
        white: what the graph takes for white, before mean and std.
        resize: the filter of the training.
        crop_from: the training resized pictures to this and cut the input out of the centre.
    """

    size: Size | None = None
    layout: Layout | None = None
    bgr: bool = False
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    white: White | None = None
    resize: Filter = "tensor_bilinear"
    crop_from: Size | None = None


@dataclass(frozen=True)
class _Values:
    mean: tuple[float, ...]
    std: tuple[float, ...]
    white: White


def find_rule(
    path: Path, port: InputPort, view: PictureView, options: InputOptions, tell: Tell
) -> FeedRule:
    """How a model input becomes the graph's.

    Args:
        path: of the graph, for messages.
        port: its input.
        view: what it does to its pictures by itself.
        options: what its owner says.
        tell: takes lines about what was found.

    Raises:
        ExportError: something must be said, or contradicts the graph.
    """
    if options.bgr and port.channels == 1:
        raise ExportError(f"{path} takes grey pictures, which have no order of channels")
    values = _values(path, port, view.normalisation(), options, tell)
    size = _size(path, port, view, options.size, tell)
    return FeedRule(
        port=port,
        height=size.height,
        width=size.width,
        window=_window(view, size, tell),
        bgr=options.bgr,
        mean=values.mean,
        std=values.std,
        white=values.white,
    )


def preprocess_of(rule: FeedRule, options: InputOptions) -> Preprocess:
    """From a picture to the model input: resized, and cropped as the training or the graph does.

    The corner of an uneven rest is rounded half to even, as torchvision's CenterCrop does.

    Raises:
        ExportError: the crop is larger than what it is cut from.
    """
    whole = options.crop_from or Size(rule.width, rule.height)
    if whole.width < rule.width or whole.height < rule.height:
        raise ExportError(
            f"--crop-from {whole}: the graph's input of {rule.width}x{rule.height} pixels cannot "
            "be cut out of that"
        )
    x, y = round((whole.width - rule.width) / 2), round((whole.height - rule.height) / 2)
    inner = rule.window or Crop(x=0, y=0, width=rule.width, height=rule.height)
    crop = Crop(x=x + inner.x, y=y + inner.y, width=inner.width, height=inner.height)
    nothing_cut = (crop.width, crop.height) == (whole.width, whole.height)
    return Preprocess(
        width=whole.width,
        height=whole.height,
        resize=options.resize,
        crop=None if nothing_cut else crop,
    )


def _size(path: Path, port: InputPort, view: PictureView, asked: Size | None, tell: Tell) -> Size:
    """The size of the graph's input."""
    is_fixed = port.height is not None and port.width is not None
    own = None if is_fixed else view.own_size()
    size = asked or (Size(own[1], own[0]) if own else None)
    if size is None and not is_fixed:
        raise ExportError(
            f"{path} takes pictures of any size; say that of its training with --size, such as "
            "--size 256 or --size 320x256 (width x height)"
        )
    size = size or Size(port.width or 0, port.height or 0)
    if size.width != (port.width or size.width) or size.height != (port.height or size.height):
        raise ExportError(
            f"{path} takes pictures of {port.width or 'any'}x{port.height or 'any'} pixels "
            f"(width x height), not of {size}; correct --size, or leave it out"
        )
    resized = view.resized(size.height, size.width)
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
    path: Path, port: InputPort, own: Normalisation | None, options: InputOptions, tell: Tell
) -> _Values:
    """The mean, the std and the white of what the graph takes."""
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


def _window(view: PictureView, size: Size, tell: Tell) -> Crop | None:
    """The part of its input that the graph looks at."""
    try:
        window = view.window(size.height, size.width)
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


def _of(own: Normalisation) -> str:
    """`mean 0.485, 0.456, 0.406; std 0.229, 0.224, 0.225`."""
    return f"mean {_numbers(own.mean)}; std {_numbers(own.std)}"


def _numbers(numbers: tuple[float, ...]) -> str:
    distinct = numbers if len(set(numbers)) > 1 else numbers[:1]
    return ", ".join(f"{number:g}" for number in distinct)
