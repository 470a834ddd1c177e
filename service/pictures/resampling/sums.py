"""Sums over the windows of an axis, for many lines at once and on the calling thread alone.

Each output is a short product, [its weights] · [its inputs, for all lines]. BLAS takes any number
of outputs in one call if their windows lie at one distance, and stays on one thread for products
this small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.pictures.resampling.weights import LONGEST_SUM, Axis, Floats, WindowRun
from service.pictures.resampling.workspace import Workspace

_INPUT_BYTES = 3 << 20
"""Size of the inputs in float32; a smaller one means fewer lines at once, which costs more."""

_OWN_MEMORY = 480
"""Most inputs and lines of one product together: OpenBLAS works on the stack up to 512 floats,
32 of them its own, and beyond in memory that its callers take turns to lock."""

_ONE_THREAD = 9215
"""Most inputs times lines of one product: from 9216 on, OpenBLAS may take several threads."""


def most_lines(axis: Axis) -> int:
    """Number of lines to sum at once."""
    taps: int = min(axis.weights.shape[1], LONGEST_SUM)
    most = min(_INPUT_BYTES // (4 * axis.padded), _ONE_THREAD // taps, _OWN_MEMORY - taps)
    return max(1, most)


@dataclass(frozen=True)
class _Product:
    """The sums of one run, over all taps or a piece of them: one call of numpy's.

    Attributes:
        weights: [outputs, 1, taps].
        inputs: [outputs, taps, lines], windows that overlap in memory.
        sums: [outputs, 1, lines].
        adds: whether it adds to the sums of the pieces before.
    """

    weights: Floats
    inputs: Floats
    sums: Floats
    adds: bool

    def take(self) -> None:
        """Sum the values that the inputs hold now."""
        if self.adds:
            np.add(self.sums, self.weights @ self.inputs, out=self.sums)
        else:
            np.matmul(self.weights, self.inputs, out=self.sums)


class WindowedSums:
    """The sums of an axis for a number of lines at a time, with the memory for them."""

    def __init__(self, axis: Axis, lines: int, workspace: Workspace) -> None:
        """Prepare for `lines` lines each time, at most `most_lines` of them."""
        inside = axis.before + axis.stop - axis.start
        padded: Floats = workspace.array("inputs", (axis.padded, lines), np.float32)
        padded[: axis.before] = 0
        padded[inside:] = 0
        self._inputs = padded[axis.before : inside]
        self._sums: Floats = workspace.array("sums", (len(axis.windows), lines), np.float32)
        self._products = [
            _product(axis, run, tap, padded, self._sums)
            for run in axis.runs
            for tap in range(0, axis.weights.shape[1], LONGEST_SUM)
        ]

    def of(self, inputs: NDArray[np.uint8] | Floats) -> Floats:
        """Sum [inputs, lines] to [outputs, lines], which the next call overwrites."""
        np.copyto(self._inputs, inputs)
        for product in self._products:
            product.take()
        return self._sums


def _product(axis: Axis, run: WindowRun, tap: int, padded: Floats, sums: Floats) -> _Product:
    weights = axis.weights[run.outputs, None, tap : tap + LONGEST_SUM]
    line_bytes = padded.strides[0]
    inputs: Floats = np.ndarray(
        (len(weights), weights.shape[2], padded.shape[1]),
        np.float32,
        padded.data,
        (run.first + tap) * line_bytes,
        (run.step * line_bytes, *padded.strides),
    )
    return _Product(weights, inputs, sums[run.outputs, None], adds=tap > 0)
