"""The head of a PatchCore: what defects that people have judged look like.

A cell x has the standardised features of all layers on the coarsest layer's grid, the finer layers
averaged over its area. Each judged defect, or a few that are alike, gives a direction w_k. A cell's
response is measured by what good parts have at its place p,

    z_kp = (w_k x_p - usual_kp) / spread_kp.

How much a picture resembles the defect is the mean of two: the highest z_kp of its cells, as some
defects are small, and the mean of the highest hundredth of them, as others are not. The head puts
the greatest of these on the scale of the bank's score:

    head = max_k (g_k r_k + o_k),    r_k = (max_p z_kp + mean of the highest hundredth of z_kp) / 2.

Nothing is trained by descent: `takt_models/fit/patchcore/directions.py` says where w_k come from.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from takt_models.dinov2.maps import scored_among


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

    >>> head = DefectHead(size=3, channels=8, grid=(5, 6))
    >>> answer = head(torch.zeros(2, 5, 6, 8))
    >>> answer.score.shape, answer.cells.shape
    (torch.Size([2]), torch.Size([2, 5, 6]))

    Args:
        size: number of directions.
        channels: channels of a cell, of all layers together.
        grid: rows and columns of the cells.

    Attributes:
        directions: w_k, [K,C].
        usual: what good parts have at each place, [K,h,w].
        spread: their deviation there, above 0, [K,h,w].
        gain: g_k, above 0, [K].
        offset: o_k, [K].
        onto_map: a and b, by which a score s is a + b s on the scale of the map, [2].
    """

    directions: Tensor
    usual: Tensor
    spread: Tensor
    gain: Tensor
    offset: Tensor
    onto_map: Tensor

    def __init__(self, size: int, channels: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("directions", torch.zeros(size, channels))
        self.register_buffer("usual", torch.zeros(size, *grid))
        self.register_buffer("spread", torch.ones(size, *grid))
        self.register_buffer("gain", torch.ones(size))
        self.register_buffer("offset", torch.zeros(size))
        self.register_buffer("onto_map", torch.tensor([0.0, 1.0]))

    def responses(self, cells: Tensor) -> Tensor:
        """Standardised features [N,h,w,C] -> responses z_kp, [N,K,h·w]."""
        found = (cells @ self.directions.T).permute(0, 3, 1, 2)
        return ((found - self.usual) / self.spread).flatten(2)

    def forward(self, cells: Tensor) -> HeadAnswer:
        """Standardised features [N,h,w,C] -> what the head says of the pictures."""
        found = self.responses(cells)
        resembles = resemblance(found)
        said = resembles * self.gain + self.offset
        # A cell says no more than its picture does, so that score and map turn together.
        of_cells = torch.minimum(found, resembles.unsqueeze(2))
        shown = (of_cells * self.gain.unsqueeze(1) + self.offset.unsqueeze(1)).amax(1)
        onto = self.onto_map[0] + self.onto_map[1] * shown
        return HeadAnswer(said.amax(1), onto.unflatten(1, cells.shape[1:3]))


def resemblance(responses: Tensor) -> Tensor:
    """Responses [N,K,T] of cells -> the mean [N,K] of the highest one and of the highest hundredth.

    >>> resemblance(torch.tensor([[[1.0, 5.0, 3.0]]]))
    tensor([[5.]])
    """
    most = responses.topk(scored_among(responses.shape[2]), dim=2).values
    return (most[:, :, 0] + most.mean(2)) / 2
