"""The antialiased resizes of the trainings: Pillow's on 8 bits, torchvision's on floats.

They average with a triangle where an axis shrinks, and interpolate where it grows: the output at
c = (x + 1/2)·s weighs the input i with max(0, 1 - |i + 1/2 - c| / max(s, 1)), over the sum of all
its weights. Bicubic has Keys' cubic with a = -1/2 for the triangle, which is twice as wide and may
go beyond black and white. Pillow rounds to levels after each axis; torchvision does not round.

Sums are short products in float32. Pillow's levels are exact all the same: where the bound on a
sum's error leaves its rounding open, at about one value in a thousand, it is taken again in
float64.

All of it stays on the calling thread, and lets other threads run meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.manifest import Crop
from takt.core.domain import Image, Levels

_OUTPUTS = 4
"""Outputs of one product; more share the reading of their inputs, and multiply more zeros."""

_ONE_THREAD = 1 << 18
"""Most multiplications of one product: beyond, OpenBLAS may take several threads."""

_CHEAPLY_TURNED = 4 << 20
"""Most bytes of a picture to sum on its side; a larger one falls out of the cache."""

_PRECISION_BITS = 22
"""Pillow's weights are whole multiples of 2^-22: 32 bits, less 8 of a pixel and 2 to spare."""

Floats = NDArray[np.float32]
Index = NDArray[np.int64]


def pillow_bilinear(picture: Image, width: int, height: int, crop: Crop | None = None) -> Image:
    """Resize as `PIL.Image.resize((width, height), BILINEAR)`, level for level, and crop.

    The columns go first, except where the rows shrink by more than twice as many pixels as the
    columns. That is Pillow's order since 12.2; the other gives another level here and there.

    >>> pillow_bilinear(np.full((480, 640, 3), 7, np.uint8), 256, 192).shape
    (192, 256, 3)

    Args:
        picture: RGB uint8 [H, W, 3].
        width: columns after resizing, in pixels.
        height: rows after resizing, in pixels.
        crop: the part of the resized picture that is computed; all of it if None.

    Returns:
        RGB uint8 of the crop's size, C-contiguous.
    """
    picture = cast(Image, np.ascontiguousarray(picture))
    rows, columns, _ = picture.shape
    crop = crop or Crop(x=0, y=0, width=width, height=height)
    across = _axis(columns, width, crop.x, crop.width, whole=True)
    down = _axis(rows, height, crop.y, crop.height, whole=True)
    if rows - height > max(0, 2 * (columns - width)):
        return _levels_across(_levels_down(picture, down), across)
    return _levels_down(_levels_across(picture, across), down)


def tensor_bilinear(picture: Image, width: int, height: int, crop: Crop | None = None) -> Levels:
    """Resize as torchvision's `Resize((height, width), antialias=True)` does floats, and crop.

    >>> grey = np.full((480, 640, 3), 7, np.uint8)
    >>> resized = tensor_bilinear(grey, 256, 192)
    >>> resized.shape, resized.dtype, bool(abs(resized - 7).max() < 1e-5)
    ((192, 256, 3), dtype('float32'), True)

    Arguments are those of `pillow_bilinear`.

    Returns:
        RGB float32 of the crop's size, C-contiguous; levels from 0 to 255, not rounded.
    """
    return _tensor_resized(picture, width, height, crop, cubic=False)


def tensor_bicubic(picture: Image, width: int, height: int, crop: Crop | None = None) -> Levels:
    """Resize as torchvision's bicubic `Resize((height, width), antialias=True)` does floats.

    As `tensor_bilinear` in all else, but that levels go a little beyond 0 and 255 beside edges.
    """
    return _tensor_resized(picture, width, height, crop, cubic=True)


def _tensor_resized(
    picture: Image, width: int, height: int, crop: Crop | None, *, cubic: bool
) -> Levels:
    picture = cast(Image, np.ascontiguousarray(picture))
    rows, columns, _ = picture.shape
    crop = crop or Crop(x=0, y=0, width=width, height=height)
    across = _axis(columns, width, crop.x, crop.width, whole=False, cubic=cubic)
    down = _axis(rows, height, crop.y, crop.height, whole=False, cubic=cubic)
    # The axis that leaves less goes first, but for the rows' head start: their sums are quicker.
    if crop.height * columns <= 2 * crop.width * rows:
        return _sums_across(_sums_down(picture, down), across)
    return _sums_down(_sums_across(picture, across), down)


@dataclass(frozen=True)
class _Block:
    """Neighbouring outputs of an axis, the inputs that they are of, and the weights between.

    Attributes:
        outputs: of the axis.
        inputs: of the axis.
        weights: float32 [outputs, inputs].
        of_pixels: the same for rows of pixels, float32 [inputs · 3, outputs · 3]: each channel of
            an output is of the inputs' same channel.
    """

    outputs: slice
    inputs: slice
    weights: Floats
    of_pixels: Floats


@dataclass(frozen=True)
class _Axis:
    """How the outputs of an axis follow from its inputs.

    Attributes:
        starts: first input of each output's window.
        weights: of the windows, float32 [outputs, taps]; zero past an output's last input.
        blocks: the same weights for many outputs at once.
        error: bound on what float32 adds to or takes from a sum of levels, whatever its order.
        exact: bool [outputs], whether float32 makes no error, as the weights are coarse enough.
    """

    starts: Index
    weights: Floats
    blocks: tuple[_Block, ...]
    error: float
    exact: NDArray[np.bool_]


def _sums_down(picture: NDArray[Any], axis: _Axis) -> Levels:
    """Sum over the rows of [rows, columns, 3]."""
    rows, columns, _ = picture.shape
    lines = picture.reshape(rows, columns * 3)
    sums = np.empty((len(axis.starts), columns * 3), np.float32)
    for part in _parts(columns * 3, max(block.weights.size for block in axis.blocks)):
        for block in axis.blocks:
            inputs = lines[block.inputs, part].astype(np.float32)
            np.matmul(block.weights, inputs, out=sums[block.outputs, part])
    return sums.reshape(-1, columns, 3)


def _sums_across(picture: NDArray[Any], axis: _Axis) -> Levels:
    """Sum over the columns of [rows, columns, 3]."""
    if picture.nbytes <= _CHEAPLY_TURNED:
        return cast(Levels, cv2.transpose(_sums_down(cv2.transpose(picture), axis)))
    rows, columns, _ = picture.shape
    lines = picture.reshape(rows, columns * 3)
    sums = np.empty((rows, len(axis.starts) * 3), np.float32)
    for part in _parts(rows, max(block.of_pixels.size for block in axis.blocks)):
        for block in axis.blocks:
            inputs = lines[part, _of_pixels(block.inputs)].astype(np.float32)
            np.matmul(inputs, block.of_pixels, out=sums[part, _of_pixels(block.outputs)])
    return sums.reshape(rows, -1, 3)


def _parts(length: int, weights: int) -> Iterator[slice]:
    """Even parts of a length, each of which makes a product for one thread with the weights."""
    most = max(1, _ONE_THREAD // weights)
    even = -(-length // -(-length // most))
    return (slice(at, at + even) for at in range(0, length, even))


def _of_pixels(pixels: slice) -> slice:
    return slice(3 * pixels.start, 3 * pixels.stop)


def _levels_down(picture: Image, axis: _Axis) -> Image:
    """Sum over the rows of [rows, columns, 3], rounded halves up as exact sums are."""
    sums = _sums_down(picture, axis)
    levels, lower = _bounds(sums, axis)
    lower[axis.exact] = levels[axis.exact]
    at = np.flatnonzero(levels != lower)
    step = picture[0].size
    output, element = np.divmod(at, step)
    levels.reshape(-1)[at] = _exact(picture, axis, output, element, step) + 0.5
    return levels


def _levels_across(picture: Image, axis: _Axis) -> Image:
    """Sum over the columns of [rows, columns, 3], rounded halves up as exact sums are."""
    sums = _sums_across(picture, axis)
    levels, lower = _bounds(sums, axis)
    lower[:, axis.exact] = levels[:, axis.exact]
    row, within = np.divmod(at := np.flatnonzero(levels != lower), levels[0].size)
    output, channel = np.divmod(within, 3)
    line = row * picture[0].size + channel
    levels.reshape(-1)[at] = _exact(picture, axis, output, line, 3) + 0.5
    return levels


def _bounds(sums: Levels, axis: _Axis) -> tuple[Image, Image]:
    """The highest and the lowest level that the exact sums may have."""
    upper, lower = (cv2.convertScaleAbs(sums, beta=shift) for shift in (axis.error, -axis.error))
    return cast(Image, upper), cast(Image, lower)


def _exact(
    picture: Image, axis: _Axis, output: Index, line: Index, step: int
) -> NDArray[np.float64]:
    """Sums in float64, in which they have no error, of windows of the picture's elements.

    Args:
        picture: uint8 [rows, columns, 3].
        axis: with the weights.
        output: of the axis, [n].
        line: first element of each sum's row or column, [n].
        step: elements from one input of the axis to the next.
    """
    elements = picture.reshape(-1)
    sums = np.zeros(len(output))
    for tap in range(axis.weights.shape[1] if len(output) else 0):
        # Where a window reaches past the last input its weights are zero, and any will do.
        inputs = elements.take(line + (axis.starts[output] + tap) * step, mode="clip")
        sums += axis.weights[output, tap].astype(np.float64) * inputs
    return sums


@lru_cache(maxsize=32)
def _axis(
    original: int, resized: int, first: int, length: int, *, whole: bool, cubic: bool = False
) -> _Axis:
    """The outputs [first, first + length) of an axis of `original` pixels resized to `resized`.

    Args:
        original: pixels before resizing.
        resized: pixels after.
        first: first output that is wanted.
        length: number of outputs that are wanted.
        whole: whether to take Pillow's weights, multiples of 2^-22, or torch's.
        cubic: whether to take cubics.
    """
    wanted = slice(first, first + length)
    real = np.float64 if whole else np.float32
    starts, ends, shares = _windows(original, resized, real, cubic=cubic)
    starts, ends, shares = starts[wanted], ends[wanted], shares[wanted]
    units = np.floor(shares * 2.0**_PRECISION_BITS + 0.5).astype(np.int64)
    weights = (units * 2.0**-_PRECISION_BITS if whole else shares).astype(np.float32)
    taps = weights.shape[1]
    error = (taps + 2) * 2.0**-16
    # All sums of an output are multiples of what all of its weights are multiples of.
    common = np.bitwise_or.reduce(units, axis=1)
    finest = (common & -common) * 2.0**-_PRECISION_BITS
    for shared in (starts, weights):
        shared.flags.writeable = False
    return _Axis(
        starts=starts,
        weights=weights,
        blocks=tuple(
            _block(slice(at, min(at + _OUTPUTS, length)), starts, ends, weights)
            for at in range(0, length, _OUTPUTS)
        ),
        error=error,
        exact=finest > 2 * error,
    )


def _windows(
    original: int, resized: int, real: type[np.floating[Any]], *, cubic: bool
) -> tuple[Index, Index, NDArray[Any]]:
    """Start and end of each output's window, and its weights [resized, taps].

    Step by step what Pillow's `precompute_coeffs` does in float64, and torch's
    `_compute_indices_min_size_weights_aa` in float32.
    """
    scale: Any = real(original) / real(resized)
    stretch: Any = max(scale, real(1))
    support: Any = stretch * real(2 if cubic else 1)
    centres: NDArray[Any] = ((np.arange(resized) + 0.5) * float(scale)).astype(real)
    starts = np.maximum(np.floor(centres - support + real(0.5)).astype(np.int64), 0)
    ends = np.minimum((centres + support + real(0.5)).astype(np.int64), original)
    inputs = starts[:, None] + np.arange(int((ends - starts).max()))
    distances = inputs.astype(real) - centres[:, None] + real(0.5)
    away = np.abs(distances * (1 / stretch))
    weights: NDArray[Any] = _cubic(away) if cubic else np.maximum(1 - away, 0)
    weights[inputs >= ends[:, None]] = 0
    weights /= weights.cumsum(axis=1)[:, -1:]  # one by one, as they do; sum() adds pairs
    return starts, ends, weights


def _cubic(away: NDArray[Any]) -> NDArray[Any]:
    """Keys' cubic with a = -1/2, by the distance in outputs, or in inputs where an axis grows."""
    near = (1.5 * away - 2.5) * away * away + 1
    far = ((-0.5 * away + 2.5) * away - 4) * away + 2
    return np.where(away < 1, near, np.where(away < 2, far, 0)).astype(away.dtype)


def _block(outputs: slice, starts: Index, ends: Index, weights: Floats) -> _Block:
    low, high = int(starts[outputs].min()), int(ends[outputs].max())
    dense = np.zeros((outputs.stop - outputs.start, high - low), np.float32)
    for row, output in enumerate(range(outputs.start, outputs.stop)):
        start, end = starts[output], ends[output]
        dense[row, start - low : end - low] = weights[output, : end - start]
    of_pixels: Floats = np.kron(dense.T, np.eye(3)).astype(np.float32)
    for shared in (dense, of_pixels):
        shared.flags.writeable = False
    return _Block(outputs, slice(low, high), dense, of_pixels)
