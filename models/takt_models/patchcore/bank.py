"""The bank of one layer: features of good parts, and how far others are from them."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEAST_DISTANCE = 0.02
"""Lower bound of a distance. |x|² - 2xb + |b|² loses its last digits where x is all but b, and the
root would make a large difference of that."""

AT_ONCE = 512
"""Vectors whose distances are computed together: those to all would not stay in the cache."""


class Bank(nn.Module):
    """Features of good parts, standardised, and the distance to the nearest of them.

    >>> bank = Bank(size=10, channels=3)
    >>> bank(torch.zeros(2, 7, 3)).shape
    torch.Size([2, 7])

    Args:
        size: number of its vectors.
        channels: channels of a feature.

    Attributes:
        vectors: standardised features of good parts, [size,C].
        mean: means of the channels over pictures of good parts, [C].
        std: deviations in the same order, [C]; never 0.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.zeros(size, channels), requires_grad=False)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    def standardize(self, features: Tensor) -> Tensor:
        """Features [...,C] -> the same with mean 0 and deviation 1 of each channel."""
        return (features - self.mean) / self.std

    def distance(self, cells: Tensor, vectors: Tensor | None = None) -> Tensor:
        """Standardised features [N,T,C] -> distances [N,T] to the nearest vector.

        With |x - b|² = |x|² - 2xb + |b|², the distances to all vectors are one matrix product,
        of (x, 1) and (b, -|b|²/2): a sum of its own would take a tenth of the model's time.

        Args:
            cells: features of the cells.
            vectors: others [M,C] than those of the bank.
        """
        vectors = self.vectors if vectors is None else vectors
        ones = cells.new_ones(1).expand(*cells.shape[:-1], 1)
        longer = torch.cat([cells, ones], -1)
        lengths = vectors.square().sum(1, keepdim=True)
        near = [
            F.linear(longer, some).amax(-1)
            for some in torch.cat([vectors, -0.5 * lengths], 1).split(AT_ONCE)
        ]
        nearest = reduce(torch.maximum, near)
        squared = (cells.square().sum(-1) - 2 * nearest) / vectors.shape[1]
        return squared.clamp_min(LEAST_DISTANCE**2).sqrt()

    def forward(self, features: Tensor) -> Tensor:
        """Features [N,T,C] -> distances [N,T], at least 0.02."""
        return self.distance(self.standardize(features))
