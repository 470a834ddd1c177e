"""The weights of antialiased bilinear resizing along one axis, and how to sum with them fast.

An axis that shrinks by the scale s averages with a triangle of half-width s, one that grows
interpolates: the output at c = (x + 1/2)·s weighs the input i with
max(0, 1 - |i + 1/2 - c| / max(s, 1)), over the sum of all its weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Index = NDArray[np.int64]

LONGEST_SUM = 256
"""Most inputs of one sum; longer windows are summed in pieces of this length."""

_WEIGHT_BITS = 22
"""Pillow's PRECISION_BITS: 32, less 8 of a pixel and 2 to spare."""

_RUN_TAPS = 100
"""Cost of one more run, in taps of one window."""

_LONGEST_STRIDE = 32

_NO_DRIFT = 1e-9
"""Drift between windows, in inputs, below which it counts as the error of a float."""


@dataclass(frozen=True)
class WindowRun:
    """Outputs of an axis whose windows of inputs lie at one distance from each other.

    Attributes:
        outputs: the outputs of the run.
        first: start of the first window, in the padded inputs.
        step: inputs from one window to the next.
    """

    outputs: slice
    first: int
    step: int


@dataclass(frozen=True)
class Axis:
    """The weights and windows by which the outputs of one axis follow from its inputs.

    Attributes:
        start: first input that any output uses.
        stop: the input past the last one that any output uses.
        before: zeros that windows reach into before `start`.
        padded: inputs from `start` to `stop`, and the zeros on both sides.
        runs: all outputs.
        windows: int64 [outputs], where each one's window starts, from `start`; may be negative.
        weights: float32 [outputs, taps]; zero where a window is longer than it needs to be.
        error: bound on a float32 sum's distance from the exact one, in levels.
        certain: bool [outputs], whether float32 sums of levels are exact.
        checked: int64, the outputs whose rounding is checked again; all, or less than a quarter.
    """

    start: int
    stop: int
    before: int
    padded: int
    runs: tuple[WindowRun, ...]
    windows: Index
    weights: Floats
    error: float
    certain: NDArray[np.bool_]
    checked: Index


@lru_cache(maxsize=32)
def plan(original: int, resized: int, first: int, length: int, *, rounded: bool) -> Axis:
    """Plan the outputs [first, first + length) of an axis.

    Args:
        original: pixels before resizing.
        resized: pixels after.
        first: first output that is wanted.
        length: number of outputs that are wanted.
        rounded: whether to take Pillow's weights, multiples of 2^-22, or torch's, of float32.
    """
    taps, starts, anchors = _triangles(original, resized, np.float64 if rounded else np.float32)
    wanted = slice(first, first + length)
    taps, starts, anchors = taps[wanted], starts[wanted], anchors[wanted]
    if rounded:
        taps = np.floor(taps * 2.0**_WEIGHT_BITS + 0.5) * 2.0**-_WEIGHT_BITS
    used = taps > 0
    begin = starts + used.argmax(axis=1)
    end = starts + taps.shape[1] - used[:, ::-1].argmax(axis=1)
    runs, windows = _runs(original / resized, anchors, begin, taps.shape[1])

    weights = np.zeros((length, int((end - windows).max())), np.float32)
    output, tap = np.nonzero(used)
    weights[output, (starts - windows)[output] + tap] = taps[output, tap]

    start, stop = int(begin.min()), int(end.max())
    low = min(start, int(windows.min()))
    high = max(stop, int(windows.max()) + weights.shape[1])
    error = _error(used, weights.shape[1])
    certain = _finest(taps) > 2 * error if rounded else np.zeros(length, np.bool_)
    checked = _checked(certain)
    for shared in (weights, windows, certain, checked):
        shared.flags.writeable = False
    return Axis(
        start=start,
        stop=stop,
        before=start - low,
        padded=high - low,
        runs=tuple(WindowRun(run.outputs, run.first - low, run.step) for run in runs),
        windows=windows - start,
        weights=weights,
        error=error,
        certain=certain,
        checked=checked,
    )


def _triangles(
    original: int, resized: int, real: type[np.floating[Any]]
) -> tuple[NDArray[Any], Index, Index]:
    """The weights [resized, taps], the input of each first tap, and that if there were no border.

    Step by step what Pillow's `precompute_coeffs` does in float64, and torch's
    `_compute_indices_min_size_weights_aa` in float32.
    """
    scale: Any = real(original) / real(resized)
    support: Any = max(scale, real(1))
    centres: NDArray[Any] = ((np.arange(resized) + 0.5) * float(scale)).astype(real)
    anchors = np.floor(centres - support + real(0.5)).astype(np.int64)
    starts = np.maximum(anchors, 0)
    ends = np.minimum((centres + support + real(0.5)).astype(np.int64), original)
    inputs = starts[:, None] + np.arange(int((ends - starts).max()))
    distances = inputs.astype(real) - centres[:, None] + real(0.5)
    taps: NDArray[Any] = np.maximum(1 - np.abs(distances * (1 / support)), 0)
    taps[inputs >= ends[:, None]] = 0
    taps /= taps.cumsum(axis=1)[:, -1:]  # one by one, as they do; sum() adds pairs
    return taps, starts, anchors


def _runs(scale: float, anchors: Index, begin: Index, taps: int) -> tuple[list[WindowRun], Index]:
    """Part the outputs into runs; the input at which each output's window starts.

    Outputs that are `stride` apart have windows that are about `step` apart. Where that is not
    exact, windows are longer than needed, or runs are shorter; the cheaper way is taken.
    """
    stride, step, most = _rhythm(scale, len(anchors), taps)
    windows = np.empty(len(anchors), np.int64)
    runs = []
    for residue in range(stride):
        for at in range(residue, len(anchors), stride * most):
            outputs = slice(at, min(at + stride * most, len(anchors)), stride)
            regular = anchors[at] + step * np.arange(len(anchors[outputs]))
            windows[outputs] = regular + (begin[outputs] - regular).min()
            runs.append(WindowRun(outputs, int(windows[at]), step))
    return runs, windows


def _rhythm(scale: float, length: int, taps: int) -> tuple[int, int, int]:
    """Stride in outputs, step in inputs and outputs per run, at the least cost."""
    strides = np.arange(1, min(length, _LONGEST_STRIDE) + 1)[:, None]
    slacks = np.arange(taps + 1)
    steps = np.rint(strides * scale)
    drift = np.maximum(np.abs(strides * scale - steps), _NO_DRIFT)
    outputs = -(-length // strides)
    most = np.minimum(outputs, np.floor(slacks / drift) + 1)
    cost = strides * np.ceil(outputs / most) * _RUN_TAPS + length * (taps + slacks)
    row, column = np.unravel_index(cost.argmin(), cost.shape)
    return int(strides[row, 0]), int(steps[row, 0]), int(most[row, column])


def _error(used: NDArray[np.bool_], window: int) -> float:
    """Bound on what float32 adds to or takes from a sum of levels, whatever the order.

    Each addition is off by 2^-24 of a sum that is below 2^8: as many as there are weights in a
    piece, one for each piece, and one when the bound itself is added to tell the rounding.
    """
    longest = min(int(used.sum(axis=1).max()), LONGEST_SUM)
    pieces = -(-window // LONGEST_SUM)
    return (longest + pieces + 1) * 2.0**-16


def _finest(taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest power of two of which all weights of an output are multiples.

    So are its sums. If that is coarser than the error that float32 could make, it makes none.
    """
    units = np.bitwise_or.reduce((taps * 2.0**_WEIGHT_BITS).astype(np.int64), axis=1)
    finest: NDArray[np.float64] = (units & -units) * 2.0**-_WEIGHT_BITS
    return finest


def _checked(certain: NDArray[np.bool_]) -> Index:
    """The uncertain outputs; all where they are not few, as picking some costs more then."""
    uncertain: Index = np.flatnonzero(~certain)
    return uncertain if 4 * len(uncertain) < len(certain) else np.arange(len(certain))
