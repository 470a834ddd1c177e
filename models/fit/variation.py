"""Good pictures seen otherwise: mirrored, scaled and shifted, where there are few of them.

From two dozen pictures a student learns these pictures and not the part: what lies elsewhere in
the next one is strange to it. From a hundred on, the pictures themselves show what varies, and
what never does should be learned as such.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

FEW = 25
"""Pictures to fit on, up to which every step sees them otherwise."""

ENOUGH = 100
"""Pictures to fit on, from which on none does."""

SCALE = 0.18
"""Largest logarithm of a side's scale: between 0.84 and 1.2, each side by its own."""

SHIFT = 0.1
"""Largest shift, over the picture's side."""


def share_for(count: int) -> float:
    """Share of the steps that see their picture otherwise, by the number of pictures."""
    return min(1.0, max(0.0, (ENOUGH - count) / (ENOUGH - FEW)))


def varied(image: Tensor, draw: np.random.Generator) -> Tensor:
    """RGB [1,3,S,S], mirrored on either axis at random, scaled and shifted; its edges reflect."""
    mirrored = [axis for axis in (2, 3) if draw.random() < 0.5]
    across, down = np.exp(draw.uniform(-SCALE, SCALE, 2)).tolist()
    right, below = (2 * draw.uniform(-SHIFT, SHIFT, 2)).tolist()
    placed = torch.tensor([[[across, 0, right], [0, down, below]]], device=image.device)
    grid = F.affine_grid(placed, list(image.shape), align_corners=False)
    return F.grid_sample(
        image.flip(mirrored), grid, mode="bilinear", padding_mode="reflection", align_corners=False
    ).clamp(0, 1)
