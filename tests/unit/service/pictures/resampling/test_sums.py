"""Sums over windows equal the products written out, and are taken on one thread."""

from __future__ import annotations

import numpy as np
import pytest

from service.pictures.resampling.sums import WindowedSums, most_lines
from service.pictures.resampling.weights import LONGEST_SUM, plan
from service.pictures.resampling.workspace import Workspace

AXES = [(1, 1), (1, 40), (7, 5), (640, 256), (1280, 256), (901, 448), (4096, 448), (9000, 2)]


@pytest.mark.parametrize(("original", "resized"), [*AXES, (60_000, 256), (1_000_000, 3)])
def test_no_product_takes_a_second_thread_or_shared_memory(original: int, resized: int) -> None:
    axis = plan(original, resized, 0, resized, rounded=True)

    taps, lines = min(axis.weights.shape[1], LONGEST_SUM), most_lines(axis)
    assert lines >= 1
    assert lines * taps < 2304 * 4  # where OpenBLAS' sgemv may start to share its work
    assert lines + taps + 32 <= 2048 // 4  # beyond, it allocates, behind a lock


@pytest.mark.parametrize("lines", [1, 3, 8, 20])
@pytest.mark.parametrize(("original", "resized"), AXES)
def test_sums_are_those_of_the_windows(original: int, resized: int, lines: int) -> None:
    axis = plan(original, resized, 0, resized, rounded=True)
    levels = np.random.default_rng(2).integers(0, 256, (original, lines), dtype=np.uint8)
    summing = WindowedSums(axis, lines, Workspace())

    found = summing.of(levels)

    padded = np.pad(levels, ((axis.before, axis.padded - axis.before), (0, 0)))
    for output, window in enumerate(axis.windows + axis.before):
        inputs = padded[window : window + axis.weights.shape[1]].astype(np.float64)
        np.testing.assert_allclose(found[output], axis.weights[output] @ inputs, atol=axis.error)


def test_the_next_inputs_do_not_meet_the_last() -> None:
    axis = plan(9000, 2, 0, 2, rounded=True)  # windows in pieces, which are added up
    rng = np.random.default_rng(2)
    first, second = rng.integers(0, 256, (2, axis.stop, 4), dtype=np.uint8)
    summing = WindowedSums(axis, 4, Workspace())
    summing.of(first)

    again = summing.of(second).copy()

    np.testing.assert_array_equal(again, WindowedSums(axis, 4, Workspace()).of(second))
