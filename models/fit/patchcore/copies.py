"""Pictures that show one part nearly alike, found by their features.

A copy in another fold would let a picture be scored by itself. Files that are equal are left out
before a fit; this finds what is nearly equal. Of surfaces, bottles and circuit boards at 256 x 256
it found pictures that were saved again with little loss (JPEG of quality 95), were 5 % brighter, or
moved by a pixel, and took no two different ones for copies. It did not find those that were saved
with much loss (quality 75; on the circuit boards it did), had more noise, or were mirrored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

CELLS = 64
"""Cells of a picture that are compared, evenly spread."""

DIRECTIONS = 8
"""Directions in which the features of a cell are compared."""

AT_ONCE = 2**24
"""Distances that are computed at once, which bounds the memory."""

NEAR = 0.25
"""Largest distance of two copies, over the median distance of two pictures."""


@torch.no_grad()
def sketch(layers: Sequence[Tensor], *, seed: int) -> Tensor:
    """What is compared of a picture: features of some cells, in some directions, float32 [n].

    Args:
        layers: features [T,C] of each layer.
        seed: seed of the directions.
    """
    draw = torch.Generator().manual_seed(seed)
    parts = []
    for cells in layers:
        chosen = torch.linspace(0, len(cells) - 1, min(CELLS, len(cells))).long()
        directions = torch.randn(cells.shape[1], DIRECTIONS, generator=draw)
        parts.append((cells[chosen].float().cpu() @ directions).flatten())
    return torch.cat(parts)


@torch.no_grad()
def parts_of(sketches: Iterable[Tensor]) -> list[list[int]]:
    """The numbers of the pictures of each part, in order; copies of a picture are one part.

    Two pictures are copies if their sketches are at most a quarter as far apart as two pictures
    are on the median; and a copy of a copy is a copy.

    >>> flat, other = torch.zeros(9), torch.ones(9)
    >>> parts_of([flat, other, 3 * other, 3.01 * other])
    [[0], [1], [2, 3]]
    """
    points = torch.stack([*sketches])
    part = list(range(len(points)))
    limit = NEAR * _median_distance(points)
    block = max(1, AT_ONCE // len(points))
    for start in range(0, len(points), block):
        near = torch.cdist(points[start : start + block], points) <= limit
        for row, column in near.nonzero().tolist():
            first, second = _root(part, start + row), _root(part, column)
            part[max(first, second)] = min(first, second)
    parts: dict[int, list[int]] = {}
    for picture in range(len(points)):
        parts.setdefault(_root(part, picture), []).append(picture)
    return [*parts.values()]


def _median_distance(points: Tensor) -> float:
    if len(points) < 2:
        return 0.0
    some = points[torch.linspace(0, len(points) - 1, min(1000, len(points))).long()]
    return float(torch.pdist(some).median())


def _root(part: list[int], picture: int) -> int:
    while part[picture] != picture:
        part[picture] = part[part[picture]]
        picture = part[picture]
    return picture
