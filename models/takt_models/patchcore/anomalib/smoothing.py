"""The anomaly map from the patches' distances: enlarged, then blurred."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SIGMA = 4.0
"""Deviation in pixels of the Gaussian that blurs a map."""

RADIUS = int(4 * SIGMA + 0.5)
"""Pixels on each side that the Gaussian reaches."""


class PatchSmoothing(nn.Module):
    """Enlarges a grid of patches to the input's size by repeating them, then blurs it.

    Repeating, mirroring at the border and blurring are linear and separable, so that all of it is
    one matrix for each axis:

        map = R D Kᵀ,    R = G P E  [H,h],    K the same of the columns [W,w],

    where E repeats each of h rows H/h times, P mirrors the border and G is the Gaussian.

    >>> smooth = PatchSmoothing((4, 4), (32, 32))
    >>> smooth(torch.ones(1, 4, 4)).shape
    torch.Size([1, 32, 32])

    Args:
        grid: (h, w) of the patches.
        size: (H, W) of the map; more than 16 on each side.

    Raises:
        ValueError: the map is too small for the blur.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, grid: tuple[int, int], size: tuple[int, int]) -> None:
        super().__init__()
        if min(size) <= RADIUS:
            raise ValueError(
                f"the input has a side of {min(size)} pixels, and the map's blur, which reaches "
                f"{RADIUS} pixels, needs more than that"
            )
        self.register_buffer("rows", _axis(grid[0], size[0]), persistent=False)
        self.register_buffer("columns", _axis(grid[1], size[1]).T.contiguous(), persistent=False)

    def forward(self, distances: Tensor) -> Tensor:
        """Distances [N,h,w] -> anomaly map [N,H,W]."""
        return self.rows @ (distances @ self.columns)


def gaussian() -> Tensor:
    """The Gaussian's weights [33], which add up to 1; float64."""
    # The device is named, so that a model built on the meta device has its constants.
    offsets = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64, device="cpu")
    weights = torch.exp(-offsets.square() / (2 * SIGMA**2))
    return weights / weights.sum()


def _axis(cells: int, pixels: int) -> Tensor:
    """The matrix [pixels,cells] of one axis."""
    blurred = torch.zeros(pixels, pixels, dtype=torch.float64, device="cpu")
    centres = torch.arange(pixels, device="cpu")
    for offset, weight in enumerate(gaussian(), -RADIUS):
        mirrored = (centres + offset).abs()
        mirrored = torch.where(mirrored < pixels, mirrored, 2 * (pixels - 1) - mirrored)
        blurred[centres, mirrored] += weight
    repeated = torch.zeros(pixels, cells, dtype=torch.float64, device="cpu")
    # As torch's nearest neighbour does, whose scale is of float32.
    scale = torch.tensor(cells / pixels, dtype=torch.float32, device="cpu")
    source = (centres.float() * scale).floor().long().clamp_max(cells - 1)
    repeated[centres, source] = 1
    return (blurred @ repeated).float()
