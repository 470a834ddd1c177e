"""The position embedding, resized from the grid of its training to the grid of the input."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

INTERPOLATE_OFFSET = 0.1
"""Number that DINOv2 adds to a grid's side before it divides, against errors of rounding."""


def official_positions(positions: Tensor, grid: int) -> Tensor:
    """Patch positions [1,S²,D] -> [1,grid²,D], as DINOv2's own code resizes them.

    The scale is (grid + 0.1) / S instead of grid / S, which shifts every sample a little, and
    nothing is antialiased. A grid of S stays as it is.
    """
    side = math.isqrt(positions.shape[1])
    if side == grid:
        return positions
    scale = (grid + INTERPOLATE_OFFSET) / side
    resized = F.interpolate(_as_image(positions), scale_factor=(scale, scale), mode="bicubic")
    return _as_tokens(resized)


def anomalib_positions(positions: Tensor, grid: int) -> Tensor:
    """Patch positions [1,S²,D] -> [1,grid²,D], as timm resizes them without antialiasing."""
    if math.isqrt(positions.shape[1]) == grid:
        return positions
    return _as_tokens(F.interpolate(_as_image(positions), size=(grid, grid), mode="bicubic"))


def _as_image(positions: Tensor) -> Tensor:
    side = math.isqrt(positions.shape[1])
    return positions.unflatten(1, (side, side)).permute(0, 3, 1, 2)


def _as_tokens(image: Tensor) -> Tensor:
    return image.flatten(2).transpose(1, 2).contiguous()
