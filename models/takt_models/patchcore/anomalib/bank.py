"""The bank: features of good patches, the nearest of them, and a score that weighs it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SHELF = 4096
"""Vectors that are compared at once: a picture's products with them take 16 MB at 32 x 32 patches,
where those with a bank of 20,000 would take 80."""


class Nearest(NamedTuple):
    """The nearest vector of each patch: its distance and its number in the bank, both [N,T]."""

    distance: Tensor
    number: Tensor


class JointBank(nn.Module):
    """Vectors of good patches in shelves of 4,096, each compared by one matrix product.

    The nearest vector b of a patch x is that of the greatest xb - |b|²/2. Its distance is then
    computed from x - b itself: |x|² - 2xb + |b|² would lose digits where x is near to b.

    >>> bank = JointBank(size=10, channels=3)
    >>> bank(torch.zeros(2, 7, 3)).distance.shape
    torch.Size([2, 7])

    Args:
        size: number of vectors.
        channels: channels of a feature.
    """

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.size = size
        self.shelves = nn.ParameterList(
            nn.Parameter(torch.zeros(min(SHELF, size - start), channels), requires_grad=False)
            for start in range(0, size, SHELF)
        )

    def fill(self, vectors: Tensor) -> None:
        """Takes the vectors [size,C]."""
        for shelf, part in zip(self.shelves, vectors.split(SHELF), strict=True):
            shelf.data.copy_(part)

    def forward(self, patches: Tensor) -> Nearest:
        """Features [N,T,C] -> nearest vectors [N,T]."""
        flat = patches.flatten(0, 1)
        found = [self._nearest_on(shelf, flat) for shelf in self.shelves]
        distance, number = found[0]
        for place, (other, other_number) in enumerate(found[1:], 1):
            number = torch.where(other < distance, other_number + place * SHELF, number)
            distance = torch.minimum(other, distance)
        shape = (-1, patches.shape[1])
        return Nearest(distance.view(shape), number.view(shape))

    def weight(self, patch: Tensor, number: Tensor, neighbors: int) -> Tensor:
        """The weight [N] of a patch's distance: less where its nearest vector is a lonely one.

        With the vectors b_1 to b_k that are nearest to the patch's nearest one, itself the first,

            w = 1 - exp |x - b_1| / Σ_j exp |x - b_j|.

        Args:
            patch: features [N,C].
            number: number [N] of the patch's nearest vector.
            neighbors: k; more than the bank has stands for all of them.
        """
        nearest = self.taken(number[:, None]).squeeze(1)
        likeness = torch.cat([_likeness(nearest, shelf) for shelf in self.shelves], 1)
        numbers = likeness.topk(min(neighbors, self.size), dim=1).indices
        distances = _distance(patch[:, None], self.taken(numbers))
        return 1 - F.softmax(distances, dim=1)[:, 0]

    def taken(self, numbers: Tensor) -> Tensor:
        """The vectors [N,k,C] of such numbers [N,k]."""
        found = F.embedding(numbers.clamp_max(len(self.shelves[0]) - 1), self.shelves[0])
        for place, shelf in enumerate(list(self.shelves)[1:], 1):
            on_shelf = numbers - place * SHELF
            here = F.embedding(on_shelf.clamp(0, len(shelf) - 1), shelf)
            found = torch.where((on_shelf >= 0)[..., None], here, found)
        return found

    @staticmethod
    def _nearest_on(shelf: Tensor, flat: Tensor) -> tuple[Tensor, Tensor]:
        number = _likeness(flat, shelf).argmax(1)
        return _distance(flat, F.embedding(number, shelf)), number


def _likeness(x: Tensor, vectors: Tensor) -> Tensor:
    """Features [n,C] and vectors [M,C] -> (|x|² - |x - b|²) / 2 of all pairs, [n,M]."""
    return F.linear(x, vectors, -0.5 * vectors.square().sum(1))


def _distance(x: Tensor, vectors: Tensor) -> Tensor:
    return (x - vectors).square().sum(-1).sqrt()
