"""The cells of good parts that a checkpoint keeps, to teach a head with them later."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from takt_models.checkpoints.good_cells import GoodCells, coarse, kept_of
from takt_models.fit.patchcore.features import PictureFeatures
from takt_models.patchcore.detector import PatchCore


@torch.no_grad()
def good_cells(model: PatchCore, features: PictureFeatures, pictures: Sequence[int]) -> GoodCells:
    """The cells of parts that were scored out of fold.

    Args:
        model: fitted detector.
        features: features that have been read.
        pictures: number of the first picture of each of these parts, in their order.
    """
    height, width = model.grids[-1]
    parts = kept_of(len(pictures), height * width * sum(model.encoder.channels))
    kept = []
    for part in parts:
        layers = [layer[None] for layer in features.raw(pictures[part])]
        kept.append(coarse(model.cells(layers)[0]).cpu())
    files = [features.paths[pictures[part]] for part in parts]
    names = tuple(f"{file.parent.name}/{file.name}" for file in files)
    return GoodCells(tuple(parts), torch.stack(kept), names=names)


def joined(former: GoodCells, parts: int, new: GoodCells) -> GoodCells:
    """The cells of former and new parts, evenly thinned where they are too many together.

    Args:
        former: of the parts that were scored before.
        parts: number of these, whether or not their cells are kept.
        new: of the parts that come after them.
    """
    numbers = (*former.parts, *(parts + part for part in new.parts))
    cells = torch.cat([former.cells, new.cells])
    kept = kept_of(len(numbers), cells[0].nbytes)
    names = (*(former.names or [""] * len(former.parts)), *new.names)
    return GoodCells(
        tuple(numbers[one] for one in kept),
        cells[list(kept)],
        names=tuple(names[one] for one in kept),
    )
