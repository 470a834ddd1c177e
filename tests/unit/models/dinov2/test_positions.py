"""Positions that were learned on another grid."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from takt_models.dinov2.positions import Grid, anomalib_positions, official_positions


def cubic(distance: float) -> float:
    """The kernel of bicubic interpolation at a = -0.75."""
    a, x = -0.75, abs(distance)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def line_weights(side: int, grid: int, scale: float) -> NDArray[np.float64]:
    """[grid, side]: what each sample of a line takes of each stored value."""
    weights = np.zeros((grid, side))
    for sample in range(grid):
        where = (sample + 0.5) / scale - 0.5
        for cell in range(math.floor(where) - 1, math.floor(where) + 3):
            weights[sample, min(max(cell, 0), side - 1)] += cubic(where - cell)
    return weights


@pytest.mark.parametrize("grid", [(5, 5), (28, 28), (40, 40), (20, 50)])
@pytest.mark.parametrize(
    ("resize", "offset"), [(official_positions, 0.1), (anomalib_positions, 0.0)]
)
def test_positions_are_resized_bicubically_without_antialiasing(
    resize: Callable[[Tensor, Grid], Tensor], offset: float, grid: Grid
) -> None:
    positions = torch.randn(1, 37 * 37, 3)
    down, across = (line_weights(37, count, (count + offset) / 37) for count in grid)
    expected = np.einsum(
        "ri,cj,ijd->rcd", down, across, positions[0].double().numpy().reshape(37, 37, 3)
    )
    found = resize(positions, grid)
    assert found.shape == (1, math.prod(grid), 3)
    np.testing.assert_allclose(found[0].numpy(), expected.reshape(-1, 3), atol=2e-5)


@pytest.mark.parametrize("resize", [official_positions, anomalib_positions])
def test_positions_of_the_very_grid_are_left_alone(
    resize: Callable[[Tensor, Grid], Tensor],
) -> None:
    positions = torch.randn(1, 25, 3)
    assert torch.equal(resize(positions, (5, 5)), positions)
