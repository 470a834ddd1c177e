"""What a PatchCore sees in pictures that it was not fitted on: judged defects, passed parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from models.checkpoints.good_cells import coarse
from models.fit.device import Compute
from models.fit.pictures import Load, as_image
from models.patchcore.detector import PatchCore


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
    for path in pictures:
        image = as_image(load(path), compute.device)
        layers = model.embed(model.normalize(image))
        anomaly_map = model.fuse(model.distances(layers))
        score, peak = model.score_of(anomaly_map.flatten(1)), anomaly_map.amax((1, 2))
        cells = model.cells(layers)
        said = None if model.head is None else model.head(cells)
        yield Looked(
            cells=coarse(cells[0]).cpu(),
            oddness=F.adaptive_max_pool2d(anomaly_map[:, None], model.grids[-1])[0, 0].cpu(),
            bank_score=float(score),
            bank_peak=float(peak),
            score=float(score if said is None else torch.maximum(score, said.score)),
            peak=float(peak if said is None else torch.maximum(peak, said.cells.amax((1, 2)))),
        )
