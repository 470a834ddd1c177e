"""What is usual at each place of the map: mean and deviation of good pictures' distances.

A cell's distance to the bank depends on where it lies: zeros around the picture are a defect to the
encoder, an edge never lies quite alike, and a label differs from part to part. So the distances of
good pictures, each by a bank that has not seen it, give a mean and a deviation for each place.

Few pictures say little of one place. Mean and variance are those of the place and of all places
together, weighted as if `PRIOR_MAPS` pictures spoke for the latter. Deviations are averaged over
3 x 3 cells, and none is below half of the median deviation; means are not, as a border one cell
wide would then hide a defect beside it.

A picture that is scored out of fold is left out of the statistics that score it: they would
otherwise know it, as they know no part of the line.

The served bank is another one than those of the folds. It may lack a vector that they have for a
place where good pictures hardly differ, and then finds every picture far out there. So what is
usual is held against the served bank (`Places.served`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

PRIOR_MAPS = 20
"""Number of pictures as which all places together count at each one."""

LEAST_SPREAD = 0.5
"""Least deviation of a place, over the median deviation of all places."""

SEEN_BEYOND = 1.0
"""Deviations by which good pictures that a bank has seen may be farther from it than is usual."""


@dataclass(frozen=True)
class Places:
    """Sums over good pictures of the distances at each place.

    Attributes:
        count: number of pictures.
        total: sum of their distances, float64 [L,h,w].
        squares: sum of the squares, float64 [L,h,w].

    >>> places = Places.of(torch.rand(3, 2, 4, 4))
    >>> usual, spread = places.statistics()
    >>> usual.shape, bool((spread > 0).all())
    (torch.Size([2, 4, 4]), True)
    """

    count: int
    total: Tensor
    squares: Tensor

    @classmethod
    def of(cls, distances: Tensor) -> Places:
        """The sums of pictures' distances [n,L,h,w]."""
        values = distances.double()
        return cls(len(values), values.sum(0), values.square().sum(0))

    def without(self, distances: Tensor) -> Places:
        """The sums without those of one of the pictures, [L,h,w]."""
        one = distances.double()
        return Places(self.count - 1, self.total - one, self.squares - one.square())

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each place, float32 [L,h,w]; of no picture at all 0 and 1."""
        if self.count == 0:
            return self.total.float(), torch.ones_like(self.total, dtype=torch.float32)
        mean = self.total / self.count
        variance = (self.squares / self.count - mean.square()).clamp_min(0)
        weight = self.count / (self.count + PRIOR_MAPS)
        usual = weight * mean + (1 - weight) * _everywhere(mean)
        spread = _smooth((weight * variance + (1 - weight) * _everywhere(variance)).sqrt())
        median = spread.flatten(1).median(1).values[:, None, None]
        # Pictures that never vary leave nothing to divide by.
        floor = torch.where(median > 0, LEAST_SPREAD * median, torch.ones_like(median))
        return usual.float(), spread.maximum(floor).float()

    def served(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """The statistics for the served bank, float32 [L,h,w] each.

        The bank has seen the good pictures, so that others are no nearer to it. Where even these
        are farther from it than is usual by more than `SEEN_BEYOND` deviations, they say what is
        usual, less these. A smaller difference is within what chance makes of two banks.

        Args:
            seen: mean distances of good pictures to the served bank, [L,h,w].
        """
        usual, spread = self.statistics()
        return usual.maximum(seen - SEEN_BEYOND * spread), spread


def left_out(distances: Tensor) -> Tensor:
    """The maps [n,h,w] of pictures' distances [n,L,h,w], each by the statistics of the others."""
    places = Places.of(distances)
    maps = []
    for one in distances:
        usual, spread = places.without(one).statistics()
        maps.append(((one - usual) / spread).mean(0))
    return torch.stack(maps)


def _everywhere(values: Tensor) -> Tensor:
    """The mean of each layer over all places, [L,1,1]."""
    return values.mean((1, 2), keepdim=True)


def _smooth(values: Tensor) -> Tensor:
    """The mean over 3 x 3 cells of each layer; the outermost cells are repeated."""
    return F.avg_pool2d(F.pad(values[None], (1, 1, 1, 1), mode="replicate"), 3, stride=1)[0]
