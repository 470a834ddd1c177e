"""The antialiased bilinear resize of Pillow, level for level, and that of torchvision.

Columns and rows are two passes. The pass over the columns turns strips of rows on their side first,
so that both run along contiguous memory, and the three channels need no care.

Sums are taken in float32, which is off by a few 2^-16 of a level. Where a bound on that leaves
the rounding open, at about one value in a thousand, the sum is taken again in float64: the levels
are those of exact sums, whatever the order in which a machine's BLAS adds.

All of it stays on the calling thread, and lets other threads run meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from service.bundles.manifest import Crop
from service.domain import Image
from service.pictures.resampling.sums import WindowedSums, most_lines
from service.pictures.resampling.weights import Axis, Floats, Index, plan
from service.pictures.resampling.workspace import Workspace

Levels = NDArray[np.uint8]
Doubles = NDArray[np.float64]

_STRIP_ROWS = 16
"""Number of rows of which a strip has a multiple, as OpenCV turns such strips fastest."""

_CACHE_LINE_BYTES = 64

_GATHERED = 1 << 17
"""Most pixels to gather at once for exact sums."""

_workspace = Workspace()


def pillow_bilinear(picture: Image, width: int, height: int, crop: Crop | None = None) -> Image:
    """Resize as `PIL.Image.resize((width, height), BILINEAR)` does, and crop.

    It rounds half up to 8 bits after each pass. The columns go first, except where the rows shrink
    by more than twice as many pixels as the columns. That is Pillow's order since 12.2; the other
    order gives another level here and there.

    >>> pillow_bilinear(np.full((480, 640, 3), 7, np.uint8), 256, 192).shape
    (192, 256, 3)

    Args:
        picture: RGB uint8 [H, W, 3].
        width: columns after resizing, in pixels.
        height: rows after resizing, in pixels.
        crop: the part of the resized picture that is computed; all of it if None.

    Returns:
        RGB uint8, C-contiguous, of the crop's size.
    """
    job = _job(picture, width, height, crop, rounded=True)
    if job.rows_first:
        levels = _levels_down(job.pixels, job.left, job.right, job.down)
        levels = _levels_across(levels, 0, job.across)
    else:
        levels = _levels_across(job.pixels, job.left, job.across)
        levels = _levels_down(levels, 0, levels.shape[1], job.down)
    return levels.reshape(len(levels), -1, 3).copy()


def tensor_bilinear(picture: Image, width: int, height: int, crop: Crop | None = None) -> Image:
    """Resize as torchvision's `Resize((height, width), antialias=True)` does floats, and crop.

    Torch's weights, and one rounding half up at the end. Arguments and result are those of
    `pillow_bilinear`.
    """
    job = _job(picture, width, height, crop, rounded=False)
    across, down, error = job.across, job.down, job.across.error + job.down.error
    if job.rows_first:
        between = _sums_down(job.pixels, job.left, job.right, down)
        bounds = _bounds_across(between, 0, across, error)
    else:
        between = _sums_across(job.pixels, job.left, across)
        bounds = _bounds_down(between, 0, between.shape[1], down, error)
    row, column = _doubtful(bounds)
    sums = np.zeros(len(row))
    for tap in range(down.weights.shape[1] if len(row) else 0):
        of_row = _exact_across(job.pixels, job.left, across, down.windows[row] + tap, column)
        sums += down.weights[row, tap] * of_row
    levels: Levels = bounds[0]
    levels[row, column] = sums + 0.5
    return levels.reshape(len(levels), -1, 3).copy()


@dataclass(frozen=True)
class _Job:
    """The needed part of a picture, [rows, columns · 3], and the passes over it.

    Attributes:
        pixels: the rows that are needed.
        left: first element of a row that is needed.
        right: the element past the last one.
        across: the pass over the columns.
        down: the pass over the rows.
        rows_first: whether the rows go first, by Pillow's rule. It also keeps what lies between the
            passes no larger than the picture or the result, however narrow either is.
    """

    pixels: Levels
    left: int
    right: int
    across: Axis
    down: Axis
    rows_first: bool


def _job(picture: Image, width: int, height: int, crop: Crop | None, *, rounded: bool) -> _Job:
    rows, columns, _ = picture.shape
    crop = crop or Crop(x=0, y=0, width=width, height=height)
    across = plan(columns, width, crop.x, crop.width, rounded=rounded)
    down = plan(rows, height, crop.y, crop.height, rounded=rounded)
    pixels = np.ascontiguousarray(picture).reshape(rows, columns * 3)
    return _Job(
        pixels=pixels[down.start : down.stop],
        left=across.start * 3,
        right=across.stop * 3,
        across=across,
        down=down,
        rows_first=rows - height > max(0, 2 * (columns - width)),
    )


def _levels_across(source: Levels, left: int, axis: Axis) -> Levels:
    """Resample the columns of [rows, columns · 3], from the element `left` on, to levels."""
    bounds = _bounds_across(source, left, axis, axis.error)
    levels: Levels = bounds[0]
    if len(axis.checked) < len(axis.windows):
        bounds = bounds.reshape(2, len(source), -1, 3)[:, :, axis.checked]
    row, at = _doubtful(bounds.reshape(2, len(source), -1))
    output, channel = axis.checked[at // 3], at % 3
    real = ~axis.certain[output]
    row, column = row[real], 3 * output[real] + channel[real]
    levels[row, column] = _exact_across(source, left, axis, row, column) + 0.5
    return levels


def _levels_down(source: Levels, left: int, right: int, axis: Axis) -> Levels:
    """Resample the rows of [rows, elements], of which those in [left, right), to levels."""
    bounds = _bounds_down(source, left, right, axis, axis.error)
    levels: Levels = bounds[0]
    if len(axis.checked) < len(axis.windows):
        bounds = bounds[:, axis.checked]
    at, column = _doubtful(bounds)
    row = axis.checked[at]
    real = ~axis.certain[row]
    row, column = row[real], column[real]
    step = source.shape[1]
    start = axis.windows[row] * step + left + column
    levels[row, column] = _exact(source, start, step, axis, row) + 0.5
    return levels


def _doubtful(bounds: Levels) -> tuple[Index, Index]:
    """Rows and columns where two roundings, [2, rows, columns], differ; found by words if whole."""
    word = np.dtype(np.uint64 if bounds.shape[2] % 8 == 0 else np.uint8)
    upper, lower = bounds.view(word)
    row, place = np.divmod(np.flatnonzero(upper != lower), upper.shape[1])
    apart = np.flatnonzero((upper[row, place] ^ lower[row, place]).view(np.uint8))
    which, byte = np.divmod(apart, word.itemsize)
    return row[which], place[which] * word.itemsize + byte


def _exact_across(source: Levels, left: int, axis: Axis, row: Index, column: Index) -> Doubles:
    """The sums over the columns for the elements `column` of the result's rows `row`."""
    output, channel = np.divmod(column, 3)
    first = row * source.shape[1] + left + 3 * axis.windows[output] + channel
    return _exact(source, first, 3, axis, output)


def _exact(source: Levels, first: Index, step: int, axis: Axis, outputs: Index) -> Doubles:
    """Sums in float64: exact with Pillow's weights, to 2^-40 of a level with torch's.

    Args:
        source: contiguous; its elements are counted as if it had one dimension.
        first: [n], the element at which each sum's window starts.
        step: from one element of a window to the next.
        axis: with the weights.
        outputs: [n], of the axis.
    """
    taps = step * np.arange(axis.weights.shape[1])[:, None]
    sums = np.empty(len(first))
    for part in range(0, len(first), most := max(1, _GATHERED // len(taps))):
        these = slice(part, part + most)
        # Where a window reaches beyond the source its weights are zero, and any pixel will do.
        pixels = source.ravel().take(first[these] + taps, mode="clip").astype(np.float64)
        pixels *= axis.weights.take(outputs[these], axis=0).T
        sums[these] = pixels.sum(axis=0)
    return sums


def _bounds_across(source: Levels | Floats, left: int, axis: Axis, error: float) -> Levels:
    """Sums over the columns plus and minus the bound on their error, rounded: [2, rows, ...].

    Where both have one level, the exact sum has it, too.
    """
    bounds = _workspace.array("across", (2, len(source), 3 * len(axis.windows)), np.uint8)
    for top, sums in _summed_across(source, left, axis):
        strip = slice(top, top + sums.shape[1])
        for bound, shift in zip(bounds, (error, -error), strict=True):
            rounded = _workspace.array("rounded", sums.shape, np.uint8)
            cv2.convertScaleAbs(sums, dst=rounded, beta=shift)
            cv2.transpose(rounded, dst=bound[strip])
    return bounds


def _bounds_down(
    source: Levels | Floats, left: int, right: int, axis: Axis, error: float
) -> Levels:
    """As `_bounds_across`, over the rows."""
    bounds = _workspace.array("down", (2, len(axis.windows), right - left), np.uint8)
    for start, sums in _summed_down(source, left, right, axis):
        part = slice(start, start + sums.shape[1])
        for bound, shift in zip(bounds, (error, -error), strict=True):
            cv2.convertScaleAbs(sums, dst=bound[:, part], beta=shift)
    return bounds


def _sums_across(source: Levels, left: int, axis: Axis) -> Floats:
    sums_of_all = _workspace.array("across", (len(source), 3 * len(axis.windows)), np.float32)
    for top, sums in _summed_across(source, left, axis):
        cv2.transpose(sums, dst=sums_of_all[top : top + sums.shape[1]])
    return sums_of_all


def _sums_down(source: Levels, left: int, right: int, axis: Axis) -> Floats:
    sums_of_all = _workspace.array("down", (len(axis.windows), right - left), np.float32)
    for start, sums in _summed_down(source, left, right, axis):
        sums_of_all[:, start : start + sums.shape[1]] = sums
    return sums_of_all


def _summed_across(source: Levels | Floats, left: int, axis: Axis) -> Iterator[tuple[int, Floats]]:
    """Sum over the columns of [rows, columns · 3], from the element `left` on, in strips.

    Yields:
        The first row of a strip, and its sums on their side, [outputs · 3, rows].
    """
    rows, used = len(source), (axis.stop - axis.start) * 3
    height = _part(rows, max(1, most_lines(axis) // 3), _STRIP_ROWS)
    strip = _apart(height, used, source.dtype)
    turned = _workspace.array("turned", (used, height), source.dtype)
    summing = WindowedSums(axis, 3 * height, _workspace)
    for top in _starts(rows, height):
        np.copyto(strip, source[top : top + height, left : left + used])
        cv2.transpose(strip, dst=turned)
        yield top, summing.of(turned.reshape(-1, 3 * height)).reshape(-1, height)


def _summed_down(
    source: Levels | Floats, left: int, right: int, axis: Axis
) -> Iterator[tuple[int, Floats]]:
    """Sum over the rows of [rows, elements], of which those in [left, right), in parts.

    Yields:
        The first column of a part, from `left`, and its sums, [outputs, columns].
    """
    width = _part(right - left, most_lines(axis), 1)
    summing = WindowedSums(axis, width, _workspace)
    for start in _starts(right - left, width):
        yield start, summing.of(source[:, left + start : left + start + width])


def _part(length: int, most: int, unit: int) -> int:
    """The size of even parts of a length, no more than `most`, in units where that allows."""
    if most < unit:
        return min(length, most)
    parts = -(-length // (most - most % unit))
    even = -(-length // parts)
    return min(length, -(-even // unit) * unit)


def _starts(length: int, part: int) -> list[int]:
    """Where parts of one size start that cover `length`; the last one may overlap another."""
    return [min(at, length - part) for at in range(0, length, part)]


def _apart(rows: int, columns: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array whose rows do not all start in the same few sets of the cache.

    Those of a picture whose width is a multiple of 1024 do.
    """
    lines = -(-columns * dtype.itemsize // _CACHE_LINE_BYTES) | 1
    shape = rows, lines * _CACHE_LINE_BYTES // dtype.itemsize
    return _workspace.array("apart", shape, dtype)[:, :columns]
