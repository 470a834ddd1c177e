"""The position embedding, resized from the grid of its training to the grid of the input."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

INTERPOLATE_OFFSET = 0.1
"""Number that DINOv2 adds to a grid's side before it divides, against errors of rounding."""


Grid = tuple[int, int]
"""Rows and columns of patches."""


def official_positions(positions: Tensor, grid: Grid) -> Tensor:
    """Patch positions [1,S²,D] -> [1,rows·columns,D], as DINOv2's own code resizes them.

    The scale is (rows + 0.1) / S instead of rows / S, which shifts every sample a little, and
    nothing is antialiased. A grid of S × S stays as it is.
    """
    side = math.isqrt(positions.shape[1])
    if grid == (side, side):
        return positions
    down, across = ((count + INTERPOLATE_OFFSET) / side for count in grid)
    resized = F.interpolate(_as_image(positions), scale_factor=(down, across), mode="bicubic")
    return _as_tokens(resized)


def anomalib_positions(positions: Tensor, grid: Grid) -> Tensor:
    """Patch positions [1,S²,D] -> [1,rows·columns,D], as timm resizes them, not antialiased."""
    side = math.isqrt(positions.shape[1])
    if grid == (side, side):
        return positions
    return _as_tokens(F.interpolate(_as_image(positions), size=grid, mode="bicubic"))


def _as_image(positions: Tensor) -> Tensor:
    side = math.isqrt(positions.shape[1])
    return positions.unflatten(1, (side, side)).permute(0, 3, 1, 2)


def _as_tokens(image: Tensor) -> Tensor:
    return image.flatten(2).transpose(1, 2).contiguous()
