"""The antialiased bilinear resizes of the trainings: Pillow's on 8 bits, torchvision's on floats.

Both average with a triangle where an axis shrinks, and interpolate where it grows: the output at
c = (x + 1/2)·s weighs the input i with max(0, 1 - |i + 1/2 - c| / max(s, 1)), over the sum of all
its weights. Pillow rounds to levels after each axis; torchvision does not round.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from service.bundles.manifest import Crop
from service.domain import Image, Levels

_OUTPUTS = 4
"""Outputs of one product; more share the reading of their inputs, and multiply more zeros."""

_ONE_THREAD = 1 << 18
"""Most multiplications of one product: beyond, OpenBLAS may take several threads."""

Floats = NDArray[np.float32]


def pillow_bilinear(picture: Image, width: int, height: int, crop: Crop | None = None) -> Image:
    """Resize as `PIL.Image.resize((width, height), BILINEAR)`, and crop.

    >>> pillow_bilinear(np.full((480, 640, 3), 7, np.uint8), 256, 192).shape
    (192, 256, 3)

    Args:
        picture: RGB uint8 [H, W, 3].
        width: columns after resizing, in pixels.
        height: rows after resizing, in pixels.
        crop: the part of the resized picture that is wanted; all of it if None.

    Returns:
        RGB uint8 of the crop's size, C-contiguous.
    """
    pillow = PIL.Image.fromarray(np.ascontiguousarray(picture))
    resized = pillow.resize((width, height), PIL.Image.Resampling.BILINEAR)
    if crop is not None:
        resized = resized.crop((crop.x, crop.y, crop.x + crop.width, crop.y + crop.height))
    return np.array(resized)


def tensor_bilinear(picture: Image, width: int, height: int, crop: Crop | None = None) -> Levels:
    """Resize as torchvision's `Resize((height, width), antialias=True)` does floats, and crop.

    >>> grey = np.full((480, 640, 3), 7, np.uint8)
    >>> resized = tensor_bilinear(grey, 256, 192)
    >>> resized.shape, resized.dtype, bool(abs(resized - 7).max() < 1e-5)
    ((192, 256, 3), dtype('float32'), True)

    All of it stays on the calling thread, and lets other threads run meanwhile.

    Args:
        picture: RGB uint8 [H, W, 3].
        width: columns after resizing, in pixels.
        height: rows after resizing, in pixels.
        crop: the part of the resized picture that is computed; all of it if None.

    Returns:
        RGB float32 of the crop's size, C-contiguous; levels from 0 to 255, not rounded.
    """
    rows, columns, _ = picture.shape
    crop = crop or Crop(x=0, y=0, width=width, height=height)
    across = _axis(columns, width, crop.x, crop.width)
    down = _axis(rows, height, crop.y, crop.height)
    # The axis that leaves less goes first. Columns first has to turn the picture itself.
    if crop.height * columns <= 2 * crop.width * rows:
        return cast(Levels, _turned(_down(_turned(_down(picture, down)), across)))
    return _down(_turned(_down(_turned(picture), across)), down)


@dataclass(frozen=True)
class _Block:
    """Neighbouring outputs of an axis, the inputs that they are of, and the weights between.

    Attributes:
        outputs: of the axis.
        inputs: of the axis.
        weights: float32 [outputs, inputs].
    """

    outputs: slice
    inputs: slice
    weights: Floats


def _turned(picture: NDArray[Any]) -> NDArray[Any]:
    """Rows as columns, [columns, rows, 3]."""
    return cast(NDArray[Any], cv2.transpose(picture))


def _down(picture: NDArray[Any], axis: tuple[_Block, ...]) -> Levels:
    """Resample the rows of [rows, columns, 3]."""
    rows, columns, _ = picture.shape
    lines = np.ascontiguousarray(picture).reshape(rows, columns * 3)
    height, elements = axis[-1].outputs.stop, columns * 3
    resampled = np.empty((height, elements), np.float32)
    most = max(1, _ONE_THREAD // max(block.weights.size for block in axis))
    even = -(-elements // -(-elements // most))
    for left in range(0, elements, even):
        part, into = lines[:, left : left + even], resampled[:, left : left + even]
        for block in axis:
            inputs = part[block.inputs].astype(np.float32)
            np.matmul(block.weights, inputs, out=into[block.outputs])
    return resampled.reshape(height, columns, 3)


@lru_cache(maxsize=32)
def _axis(original: int, resized: int, first: int, length: int) -> tuple[_Block, ...]:
    """The outputs [first, first + length) of an axis of `original` pixels resized to `resized`.

    The weights are, step by step, those of torch's `_compute_indices_min_size_weights_aa`.
    """
    one = np.float32(1)
    scale = np.float32(original) / np.float32(resized)
    support = max(scale, one)
    centres = ((np.arange(resized) + 0.5) * float(scale)).astype(np.float32)
    centres = centres[first : first + length]
    starts = np.maximum(np.floor(centres - support + np.float32(0.5)).astype(np.int64), 0)
    ends = np.minimum((centres + support + np.float32(0.5)).astype(np.int64), original)
    inputs = starts[:, None] + np.arange(int((ends - starts).max()))
    distances = inputs.astype(np.float32) - centres[:, None] + np.float32(0.5)
    weights: Floats = np.maximum(one - np.abs(distances * (one / support)), 0)
    weights[inputs >= ends[:, None]] = 0
    weights /= weights.cumsum(axis=1)[:, -1:]  # one by one, as torch does; sum() adds pairs
    return tuple(
        _block(slice(at, min(at + _OUTPUTS, length)), starts, ends, weights)
        for at in range(0, length, _OUTPUTS)
    )


def _block(
    outputs: slice, starts: NDArray[np.int64], ends: NDArray[np.int64], weights: Floats
) -> _Block:
    low, high = int(starts[outputs].min()), int(ends[outputs].max())
    dense = np.zeros((outputs.stop - outputs.start, high - low), np.float32)
    for row, output in enumerate(range(outputs.start, outputs.stop)):
        start, end = starts[output], ends[output]
        dense[row, start - low : end - low] = weights[output, : end - start]
    dense.flags.writeable = False
    return _Block(outputs, slice(low, high), dense)
