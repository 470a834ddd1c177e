"""What a PatchCore sees in pictures that it was not fitted on: judged defects, passed parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from takt_models.checkpoints.good_cells import coarse
from takt_models.fit.device import Compute
from takt_models.fit.pictures import Load
from takt_models.patchcore.detector import PatchCore


@dataclass(frozen=True)
class Looked:
    """A picture.

    Attributes:
        cells: its cells, int8 [h,w,C].
        oddness: the highest value of the bank's map in each cell, [h,w].
        bank_score: what the bank alone says.
        bank_peak: the highest value of the bank's map.
        score: what the model says, with its head if it has one.
        peak: the highest value of the model's map.
    """

    cells: Tensor
    oddness: Tensor
    bank_score: float
    bank_peak: float
    score: float
    peak: float


class Looking(nn.Module):
    """What a model sees in pictures, in operations whose graph can be written.

    Args:
        model: fitted detector.
    """

    def __init__(self, model: PatchCore) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """RGB levels [N,H,W,3] -> `OUTPUTS`.

        Cells, int8 [N,h,w,C]; the highest value of the bank's map in each, [N,h,w]; and scores and
        the maps' highest values, by the bank alone and by the model, [N,4].
        """
        model = self.model
        layers = model.embed(model.normalize(images.permute(0, 3, 1, 2).float() / 255))
        anomaly_map = model.fuse(model.distances(layers))
        score, peak = model.score_of(anomaly_map.flatten(1)), anomaly_map.amax((1, 2))
        cells = model.cells(layers)
        whole, peak_of_all = score, peak
        if model.head is not None:
            said = model.head(cells)
            whole = torch.maximum(score, said.score)
            peak_of_all = torch.maximum(peak, said.cells.amax((1, 2)))
        fine, rough = model.grids[0], model.grids[-1]
        side = fine[0] // rough[0], fine[1] // rough[1]
        oddness = F.max_pool2d(anomaly_map[:, None], side)[:, 0]
        return coarse(cells), oddness, torch.stack([score, peak, whole, peak_of_all], 1)


OUTPUTS = ("cells", "oddness", "values")
"""What `Looking` answers."""


@torch.no_grad()
def looked_at(
    model: PatchCore, pictures: Sequence[Path], load: Load, compute: Compute
) -> Iterator[Looked]:
    """What a model sees in each picture, one after another.

    Args:
        model: fitted detector, on the device.
        pictures: files.
        load: reads a picture as RGB uint8 [H,W,3] of the input size, as the service does.
        compute: the device.
    """
    looking = Looking(model)
    for path in pictures:
        image = torch.from_numpy(load(path)).to(compute.device)
        cells, oddness, values = looking(image[None])
        yield Looked(cells[0].cpu(), oddness[0].cpu(), *values[0].tolist())
