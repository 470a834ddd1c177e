"""Variation of good pictures where there are few: they are mirrored, scaled and shifted.

From two dozen pictures a student learns these pictures instead of the part: a part that lies
elsewhere in the next picture looks strange. A hundred pictures show by themselves what varies, and
the student should learn what never varies.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

FEW = 25
"""Number of pictures up to which every step varies its picture."""

ENOUGH = 100
"""Number of pictures from which on no step varies its picture."""

SCALE = 0.18
"""Largest logarithm of a side's scale: 0.84 to 1.2, drawn for each side."""

SHIFT = 0.1
"""Largest shift, over the side of the picture."""


def share_for(count: int) -> float:
    """Share of the steps that vary their picture, by the number of pictures.

    >>> share_for(25), share_for(70), share_for(100)
    (1.0, 0.4, 0.0)
    """
    return min(1.0, max(0.0, (ENOUGH - count) / (ENOUGH - FEW)))


def varied(image: Tensor, draw: np.random.Generator) -> Tensor:
    """RGB [1,3,H,W], mirrored at random, scaled and shifted; pixels from outside are reflected."""
    mirrored = [axis for axis in (2, 3) if draw.random() < 0.5]
    across, down = np.exp(draw.uniform(-SCALE, SCALE, 2)).tolist()
    right, below = (2 * draw.uniform(-SHIFT, SHIFT, 2)).tolist()
    placed = torch.tensor([[[across, 0, right], [0, down, below]]], device=image.device)
    grid = F.affine_grid(placed, list(image.shape), align_corners=False)
    return F.grid_sample(
        image.flip(mirrored), grid, mode="bilinear", padding_mode="reflection", align_corners=False
    ).clamp(0, 1)
