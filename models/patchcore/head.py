"""The head of a PatchCore: what defects that people have judged look like.

A cell x has the standardised features of all layers on the coarsest layer's grid, the finer layers
averaged over its area. Each judged defect, or a few that are alike, gives a direction w_k. How much
a picture resembles it is the mean of the highest hundredth of the cells' responses w_k x. The head
puts the greatest of these on the scale of the bank's score:

    head = max_k (g_k r_k + o_k),    r_k = the mean of the highest hundredth of w_k x.

Nothing is trained by descent: `models/fit/patchcore/directions.py` says where w_k come from.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.dinov2.maps import scored_among


class HeadAnswer(NamedTuple):
    """What a head says of pictures.

    Attributes:
        score: on the scale of the bank's score, [N].
        cells: on the scale of the bank's map, [N,h,w] of the coarsest grid; the highest of a
            picture says what the score says.
    """

    score: Tensor
    cells: Tensor


class DefectHead(nn.Module):
    """Directions of judged defects, and what they say of the cells of a picture.

    >>> head = DefectHead(size=3, channels=8)
    >>> answer = head(torch.zeros(2, 5, 6, 8))
    >>> answer.score.shape, answer.cells.shape
    (torch.Size([2]), torch.Size([2, 5, 6]))

    Args:
        size: number of directions.
        channels: channels of a cell, of all layers together.

    Attributes:
        directions: w_k, [K,C].
        gain: g_k, above 0, [K].
        offset: o_k, [K].
        onto_map: a and b, by which a score s is a + b s on the scale of the map, [2].
    """

    directions: Tensor
    gain: Tensor
    offset: Tensor
    onto_map: Tensor

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("directions", torch.zeros(size, channels))
        self.register_buffer("gain", torch.ones(size))
        self.register_buffer("offset", torch.zeros(size))
        self.register_buffer("onto_map", torch.tensor([0.0, 1.0]))

    def responses(self, cells: Tensor) -> Tensor:
        """Standardised features [N,h,w,C] -> responses [N,K,h·w]."""
        return (cells.flatten(1, 2) @ self.directions.T).transpose(1, 2)

    def forward(self, cells: Tensor) -> HeadAnswer:
        """Standardised features [N,h,w,C] -> what the head says of the pictures."""
        found = self.responses(cells)
        resembles = mean_of_most(found)
        said = resembles * self.gain + self.offset
        # A cell says no more than its picture does, so that score and map turn together.
        of_cells = torch.minimum(found, resembles.unsqueeze(2))
        shown = (of_cells * self.gain.unsqueeze(1) + self.offset.unsqueeze(1)).amax(1)
        onto = self.onto_map[0] + self.onto_map[1] * shown
        return HeadAnswer(said.amax(1), onto.unflatten(1, cells.shape[1:3]))


def mean_of_most(responses: Tensor) -> Tensor:
    """Responses [N,K,T] of cells -> the mean [N,K] of their highest hundredth."""
    return responses.topk(scored_among(responses.shape[2]), dim=2).values.mean(2)
