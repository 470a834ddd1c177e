"""The vectors that stand for many: a greedy k-centre subset, chosen on a random projection.

Greedy k-centre (Gonzalez, 1985) starts with one vector and then always takes the one that is
farthest from all that it has. Its largest distance from any vector to the subset is at most twice
the least that is possible. As in PatchCore, distances are those of a random projection to fewer
dimensions, which keeps them up to some percent (Johnson and Lindenstrauss, 1984).

The greedy choice is exact, but does not look at every vector in every turn. Distances to the subset
only fall, so the farthest vector is among the few that were farthest before, as long as one of them
is still farther than all others were. Only when that fails are all distances brought up to date, by
one matrix product for all vectors chosen since.
"""

from __future__ import annotations

import torch
from torch import Tensor

PROJECTED = 64
"""Dimensions in which distances are compared."""

FRONT = 1024
"""The farthest vectors that are looked at in each turn."""

ROWS = 2048
"""Vectors whose distances are brought up to date at once: their products stay in the cache."""


@torch.no_grad()
def greedy_k_centre(vectors: Tensor, count: int, *, seed: int) -> Tensor:
    """The indices of at most `count` of the vectors [n,d], int64, in the order of their choice.

    There are fewer where fewer differ. The result does not depend on the order of the vectors, but
    for those that tie: the first is the one farthest from the mean, and the projection depends on
    the seed and on d alone.

    >>> line = torch.tensor([[0.0], [1.0], [2.0], [5.0], [9.0]])
    >>> greedy_k_centre(line, 3, seed=0).tolist()
    [4, 0, 3]

    Args:
        vectors: n > 0, float32, finite. Besides them, memory for 2 · 64 · n numbers is needed.
        count: at least 1.
        seed: seed of the projection.
    """
    points = projected(vectors, seed)
    lengths = points.square().sum(1)
    nearest = torch.full_like(lengths, torch.inf)
    chosen = [int((points - points.mean(0)).square().sum(1).argmax())]
    behind = 0
    while len(chosen) < count:
        _update(nearest, points, lengths, chosen[behind:])
        behind = len(chosen)
        size = min(FRONT, len(points))
        farthest, front = nearest.topk(size)
        # No vector outside is farther than the last of those inside, now or later.
        outside = float(farthest[-1]) if size < len(points) else 0.0
        inside, inside_lengths = points[front], lengths[front]
        while len(chosen) < count:
            best = int(farthest.argmax())
            if float(farthest[best]) <= 0 or float(farthest[best]) < outside:
                break
            chosen.append(int(front[best]))
            to_it = inside_lengths + inside_lengths[best] - 2 * (inside @ inside[best])
            torch.minimum(farthest, to_it, out=farthest)
            farthest[best] = 0
        if behind == len(chosen):
            break
    return torch.tensor(chosen)


def projected(vectors: Tensor, seed: int) -> Tensor:
    """The vectors [n,d] in at most 64 dimensions, with distances that are about the same.

    The mean is taken away first, so that float32 loses nothing where all vectors are far from 0.
    """
    dimensions = vectors.shape[1]
    centred = vectors - vectors.mean(0)
    if dimensions <= PROJECTED:
        return centred
    draw = torch.Generator().manual_seed(seed)
    directions = torch.randn(dimensions, PROJECTED, generator=draw) / PROJECTED**0.5
    return centred @ directions.to(vectors)


def _update(nearest: Tensor, points: Tensor, lengths: Tensor, chosen: list[int]) -> None:
    """Lowers each vector's squared distance [n] to the subset by newly chosen vectors."""
    centres, of_centres = points[chosen], lengths[chosen]
    for start in range(0, len(points), ROWS):
        rows = slice(start, start + ROWS)
        # |x - c|² = |x|² + (|c|² - 2xc): one product, and nothing else of its size.
        least = torch.addmm(of_centres, points[rows], centres.T, alpha=-2).amin(1)
        torch.minimum(nearest[rows], lengths[rows] + least, out=nearest[rows])
    # Rounding leaves a chosen vector some distance to itself.
    nearest[chosen] = 0
