"""Where a part lies: movements that a linear map tells from gray cells, and the cells they spoil.

Where all good parts lie alike, a part that lies elsewhere brings something into the picture that no
bank knows: what lies beyond the border. Its cells are no defect, and nothing there can be judged.

The gray level of each cell less the mean around it, g_p, is standardised over the picture without
its border, and times a matrix gives shift and turn:

    e_q = W_q ĝ + c_q,    ĝ = (g - mean g) / |g - mean g|,    q = 1 … 4.

Each W_q does not look at one quarter of the picture, so that a defect does not move all four. Where
they agree on a direction, the least amount counts, else none. What is less than `LEAST` is none,
too: it brings nothing new. `takt_models/fit/patchcore/locating.py` says where W comes from, and
when a model has one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEAST = (0.0125, 0.0125, 1.5)
"""Movements up to these are none: shifts as shares of the sides, and degrees."""

AROUND = 2
"""Content from within so many cells of the border does not count either.

The encoder sees as far. Besides, a part that is a little farther away brings in something on all
sides, which nothing tells.
"""

BORDER = 0.075
"""Share of each side that tells nothing of a movement, as its content changes."""

MOST_CELLS = 2500
"""Above so many cells of 8 pixels, cells of 16 tell enough."""

GRAY = (0.299, 0.587, 0.114)


class Locator(nn.Module):
    """Tells where a part lies, and which cells of the map show what came from beyond the border.

    >>> locator = Locator((64, 128), (8, 16), aspect=0.5)
    >>> moves = locator(torch.zeros(1, 3, 64, 128))
    >>> moves.shape, locator.new_content(moves).any()
    (torch.Size([1, 3]), tensor(False))

    Args:
        input_size: (height, width) of the input in pixels, multiples of 16.
        map_size: (rows, columns) of the map.
        aspect: height of the pictures over their width, before they became the input.

    Attributes:
        weights: W_q, one after another, [F,4·3]; those of cells that q does not look at are 0.
        offset: c_q, [4,3].
    """

    weights: Tensor
    offset: Tensor
    aspect: Tensor
    least: Tensor

    def __init__(
        self, input_size: tuple[int, int], map_size: tuple[int, int], aspect: float = 1.0
    ) -> None:
        super().__init__()
        height, width = input_size
        self.stride = 8 if height * width <= 64 * MOST_CELLS else 16
        self.map_size = map_size
        self.grid = height // self.stride, width // self.stride
        top, left = (round(BORDER * side) for side in self.grid)
        self.border = top, left
        self.seen = self.grid[0] - 2 * top, self.grid[1] - 2 * left
        self.register_buffer("weights", torch.zeros(self.seen[0] * self.seen[1], 12))
        self.register_buffer("offset", torch.zeros(4, 3))
        self.register_buffer("aspect", torch.tensor(float(aspect)))
        self.register_buffer("least", torch.tensor(LEAST, device="cpu"), persistent=False)

    def gray(self, images: Tensor) -> Tensor:
        """RGB [N,3,H,W] in [0,1] -> gray levels [N,1,h,w] of the cells."""
        cells = F.avg_pool2d(images, self.stride)
        red, green, blue = GRAY
        return red * cells[:, :1] + green * cells[:, 1:2] + blue * cells[:, 2:]

    def standardised(self, gray: Tensor) -> Tensor:
        """Gray levels [N,1,h,w] of the cells -> ĝ, [N,F]."""
        beside = [round(side / 9) for side in self.grid]
        padded = F.pad(gray, (beside[1], beside[1], beside[0], beside[0]), mode="reflect")
        around = F.avg_pool2d(padded, [2 * one + 1 for one in beside], stride=1)
        (top, left), (height, width) = self.border, self.seen
        cells = (gray - around)[:, 0, top : top + height, left : left + width].flatten(1)
        cells = cells - cells.mean(1, keepdim=True)
        return cells / (cells.square().sum(1, keepdim=True).sqrt() + 1e-6)

    def movements(self, gray: Tensor) -> Tensor:
        """Gray levels [N,1,h,w] of the cells -> movements [N,3], as `forward` gives them."""
        each = (self.standardised(gray) @ self.weights).unflatten(1, (4, 3)) + self.offset
        agreed = each.amin(1).clamp_min(0) + each.amax(1).clamp_max(0)
        return torch.where(agreed.abs() > self.least, agreed, torch.zeros_like(agreed))

    def forward(self, images: Tensor) -> Tensor:
        """RGB [N,3,H,W] in [0,1] -> movements [N,3].

        They are the content's shifts to the right and down, as shares of the sides, and degrees by
        which it is turned against the clock; 0 is none.
        """
        return self.movements(self.gray(images))

    def new_content(self, moves: Tensor) -> Tensor:
        """Movements [N,3] -> bool [N,h,w]: cells whose content came from beyond the border.

        What came from within `AROUND` cells of it counts as well.
        """
        height, width = self.map_size
        right, down, turn = (one.view(-1, 1, 1) for one in moves.unbind(1))
        x = self._middles(width, moves).view(1, 1, -1) - right
        y = (self._middles(height, moves).view(1, -1, 1) - down) * self.aspect
        turn = turn * (math.pi / 180)
        was_x = (turn.cos() * x - turn.sin() * y).abs()
        was_y = (turn.sin() * x + turn.cos() * y).abs() / self.aspect
        beyond = (was_x > 0.5 - AROUND / width) | (was_y > 0.5 - AROUND / height)
        return beyond & (moves != 0).any(1).view(-1, 1, 1)

    @staticmethod
    def _middles(cells: int, like: Tensor) -> Tensor:
        """The middles of cells as shares of the side, from its own middle, [cells]."""
        return (torch.arange(cells, device=like.device, dtype=like.dtype) + 0.5) / cells - 0.5
