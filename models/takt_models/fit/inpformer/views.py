"""The views of a picture, of which a fit on a few shots learns."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from takt_models.fit.pictures import grey

ANGLES = tuple(step * math.pi / 16 for step in (-4, -3, -2, -1, 1, 2, 3, 4))
SHIFTS = tuple(
    (share * across, share * down) for share in (0.2, 0.1) for across in (1, -1) for down in (1, -1)
)
"""Shifts to the right and down, over half of the picture's side."""

VIEWS = 1 + len(ANGLES) + len(SHIFTS) + 5
"""Views of the paper's few-shot training: the picture itself, turned by up to 45 degrees, shifted,
mirrored, grey, and turned by right angles."""


def view(image: Tensor, number: int) -> Tensor:
    """One of the `VIEWS` views of a picture, of its size; pixels from outside are mirrored ones.

    Args:
        image: RGB [1,3,H,W] in [0,1].
        number: number of the view; 0 is the picture itself.

    >>> view(torch.rand(1, 3, 8, 8), VIEWS - 1).shape
    torch.Size([1, 3, 8, 8])
    """
    if number == 0:
        return image
    number -= 1
    if number < len(ANGLES):
        return _turned(image, math.cos(ANGLES[number]), math.sin(ANGLES[number]))
    number -= len(ANGLES)
    if number < len(SHIFTS):
        across, down = SHIFTS[number]
        return _moved(image, [[1.0, 0.0, -across], [0.0, 1.0, -down]])
    number -= len(SHIFTS)
    if number == 0:
        return image.flip(3)
    if number == 1:
        return grey(image).expand_as(image).contiguous()
    quarters = number - 1
    if quarters % 2 and image.shape[2] != image.shape[3]:
        return _turned(image, 0.0, 1.0 if quarters == 1 else -1.0)
    return torch.rot90(image, quarters, (2, 3)).contiguous()


def _turned(image: Tensor, cos: float, sin: float) -> Tensor:
    """The picture turned in its own pixels, whose coordinates run from -1 to 1 on both axes."""
    height, width = image.shape[2:]
    return _moved(image, [[cos, -sin * (height / width), 0.0], [sin * (width / height), cos, 0.0]])


def _moved(image: Tensor, matrix: list[list[float]]) -> Tensor:
    affine = torch.tensor([matrix], device=image.device)
    where = F.affine_grid(affine, list(image.shape), align_corners=False)
    moved = F.grid_sample(image, where, padding_mode="reflection", align_corners=False)
    return moved.clamp(0, 1)
