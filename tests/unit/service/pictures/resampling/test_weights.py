"""The weights of one axis, and the order in which they are to be summed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from service.pictures.resampling.weights import LONGEST_SUM, Axis, plan

AXES = [
    (1, 1),
    (1, 40),
    (2, 1),
    (7, 5),
    (5, 7),
    (64, 64),
    (640, 256),
    (1280, 256),
    (1024, 256),
    (901, 448),
    (960, 448),
    (4096, 448),
    (257, 448),
    (3000, 5),
    (9000, 2),
]


def whole(original: int, resized: int, *, rounded: bool) -> Axis:
    return plan(original, resized, 0, resized, rounded=rounded)


def matrix(axis: Axis, original: int) -> NDArray[np.float64]:
    """[outputs, inputs]; fails if a weight lies outside of the picture."""
    weights = np.zeros((len(axis.windows), original))
    for output, window in enumerate(axis.windows + axis.start):
        for tap in np.flatnonzero(axis.weights[output]):
            assert 0 <= window + tap < original
            weights[output, window + tap] = axis.weights[output, tap]
    return weights


def formula(original: int, resized: int) -> NDArray[np.float64]:
    scale = original / resized
    weights = np.zeros((resized, original))
    for output in range(resized):
        for at in range(original):
            distance = abs(at + 0.5 - (output + 0.5) * scale) / max(scale, 1)
            weights[output, at] = max(0.0, 1 - distance)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("original", "resized"), AXES)
@pytest.mark.parametrize("rounded", [True, False])
def test_the_weights_of_an_output_sum_to_one(original: int, resized: int, rounded: bool) -> None:
    axis = whole(original, resized, rounded=rounded)

    sums = axis.weights.sum(axis=1, dtype=np.float64)
    np.testing.assert_allclose(sums, 1, rtol=0, atol=axis.weights.shape[1] * 2.0**-23)


@pytest.mark.parametrize(("original", "resized"), [size for size in AXES if max(size) < 1000])
@pytest.mark.parametrize("rounded", [True, False])
def test_the_weights_are_those_of_a_triangle(original: int, resized: int, rounded: bool) -> None:
    found = matrix(whole(original, resized, rounded=rounded), original)

    tolerance = 2.0**-23 if rounded else 2e-5
    np.testing.assert_allclose(found, formula(original, resized), rtol=0, atol=tolerance)


def test_pillows_weights_are_whole_multiples_that_a_float32_holds() -> None:
    weights = whole(901, 448, rounded=True).weights.astype(np.float64) * 2.0**22

    np.testing.assert_array_equal(weights, np.rint(weights))


@pytest.mark.parametrize(("original", "resized"), AXES)
def test_runs_find_the_window_of_every_output_once(original: int, resized: int) -> None:
    axis = whole(original, resized, rounded=True)

    found: dict[int, int] = {}
    for run in axis.runs:
        for place, output in enumerate(range(resized)[run.outputs]):
            assert output not in found
            found[output] = run.first + place * run.step - axis.before
    assert found == dict(enumerate(axis.windows.tolist()))


@pytest.mark.parametrize(("original", "resized"), AXES)
def test_windows_lie_within_the_padded_inputs(original: int, resized: int) -> None:
    axis = whole(original, resized, rounded=True)

    windows = axis.windows + axis.before
    assert windows.min() >= 0
    assert windows.max() + axis.weights.shape[1] <= axis.padded
    assert axis.before + axis.stop - axis.start <= axis.padded


def test_a_scale_of_small_whole_numbers_needs_few_runs_and_no_longer_windows() -> None:
    axis = whole(1280, 448, rounded=True)  # 20 / 7: the same seven windows again and again

    longest = int((formula(1280, 448) > 0).sum(axis=1).max())
    assert len(axis.runs) == 7
    assert axis.weights.shape[1] == longest


@pytest.mark.parametrize(("original", "resized"), [(901, 448), (3001, 256), (257, 448)])
def test_any_scale_needs_few_runs(original: int, resized: int) -> None:
    assert len(whole(original, resized, rounded=True).runs) <= 32


@pytest.mark.parametrize(("first", "length"), [(0, 10), (28, 392), (447, 1)])
def test_a_part_has_the_weights_of_the_whole_and_asks_for_no_other_input(
    first: int, length: int
) -> None:
    part = plan(901, 448, first, length, rounded=True)

    expected = matrix(whole(901, 448, rounded=True), 901)[first : first + length]
    np.testing.assert_array_equal(matrix(part, 901), expected)
    used = np.flatnonzero(expected.any(axis=0))
    assert (part.start, part.stop) == (used[0], used[-1] + 1)


@pytest.mark.parametrize(("original", "resized"), [(512, 256), (1024, 256), (300, 600)])
def test_outputs_with_weights_of_a_power_of_two_need_no_second_look(
    original: int, resized: int
) -> None:
    axis = whole(original, resized, rounded=True)

    assert axis.certain[2:-2].all()
    assert set(axis.checked.tolist()) <= {0, 1, resized - 2, resized - 1}


@pytest.mark.parametrize(("original", "resized"), AXES)
@pytest.mark.parametrize("rounded", [True, False])
def test_every_uncertain_output_is_checked(original: int, resized: int, rounded: bool) -> None:
    axis = whole(original, resized, rounded=rounded)

    assert set(np.flatnonzero(~axis.certain)) <= set(axis.checked.tolist())


@pytest.mark.parametrize(("original", "resized"), AXES)
def test_the_bound_holds_for_float32_sums(original: int, resized: int) -> None:
    axis = whole(original, resized, rounded=True)
    rng = np.random.default_rng(3)
    levels = rng.integers(200, 256, (axis.weights.shape[1], 50)).astype(np.float64)

    exact = axis.weights.astype(np.float64) @ levels
    running = np.zeros(exact.shape, np.float32)
    for start in range(0, len(levels), LONGEST_SUM):
        piece = np.zeros(exact.shape, np.float32)
        for tap in range(start, min(start + LONGEST_SUM, len(levels))):
            piece += axis.weights[:, tap, None] * levels[tap].astype(np.float32)
        running += piece
    assert np.abs(running - exact).max() < axis.error < 0.5
