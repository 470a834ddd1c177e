"""More pictures for the banks of a PatchCore that is fitted already.

Mean and scale of the features stay, and no vector is taken out, so that no picture's score rises.
The new pictures are dealt into the folds that the fit made, and each fold chooses vectors among
its own new ones (`folds.py`). A new picture is scored by the bank without its fold's vectors,
former and new. The former pictures keep their scores, which may be too high by now and never too
low.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.checkpoints.out_of_fold import OutOfFold
from models.fit.device import Compute
from models.fit.errors import FitError
from models.fit.parts import kept_together
from models.fit.patchcore.features import PictureFeatures
from models.fit.patchcore.fit import with_banks
from models.fit.patchcore.folds import NestedBank, choose, map_without
from models.fit.pictures import Load
from models.fit.progress import Progress
from models.patchcore.detector import PatchCore


@dataclass(frozen=True)
class Extended:
    """A detector with larger banks.

    Attributes:
        model: detector in eval mode.
        out_of_fold: maps of the former pictures, then of the new ones that count.
        before: scores [n] of the new pictures that count, by the former detector.
        after: their scores by the new detector without the vectors of their own fold, [n].
    """

    model: PatchCore
    out_of_fold: OutOfFold
    before: Tensor
    after: Tensor


@torch.no_grad()
def extend_patchcore(
    model: PatchCore,
    former: OutOfFold,
    seen: int,
    pictures: Sequence[Path],
    load: Load,
    compute: Compute,
    *,
    part: Sequence[int] | None = None,
    seed: int = 0,
    quiet: bool = False,
) -> Extended:
    """Adds vectors of further pictures of good parts to the banks.

    A bank grows as the number of pictures does, and at most to its double.

    Args:
        model: fitted detector, on the CPU.
        former: what its fit scored out of fold.
        seen: number of pictures that its fit has seen.
        pictures: pictures of good parts, which it has not seen.
        load: reads a picture as RGB uint8 [H,W,3] of the input size, exactly as the service will.
        compute: device; the encoder runs in float32.
        part: number of the part that each picture shows, all of whose pictures share a fold; each
            shows its own if None.
        seed: seed of everything random.
        quiet: whether the progress bar is left out.

    Raises:
        FitError: there are fewer different pictures than the fit has folds.
    """
    former_vectors = [bank.vectors.data for bank in model.banks]
    grown = with_banks(model, former_vectors).to(compute.device)
    features = PictureFeatures(pictures, load, grown, compute, seed)
    features.read(Progress("patchcore", len(pictures), unit="picture", quiet=quiet))
    folds, rest = _dealt(kept_together(range(len(pictures)), part), former.folds, seed)
    growth = min(1.0, len(pictures) / seen) / (former.folds + bool(rest))
    shares = [max(1, int(growth * len(vectors))) for vectors in former_vectors]
    chosen = [choose(features, tuple(chain.from_iterable(fold)), shares, seed) for fold in folds]
    owners = list(range(former.folds))
    if rest:
        chosen.append(choose(features, rest, shares, seed))
        owners.append(-1)
    added = [NestedBank.of(layer, owners) for layer in zip(*chosen, strict=True)]
    grown = with_banks(
        grown,
        [
            torch.cat([bank.vectors.data.cpu(), new.vectors])
            for bank, new in zip(grown.banks, added, strict=True)
        ],
    )
    fold_of_former = former.fold_of_vectors.split([len(vectors) for vectors in former_vectors])
    banks = [
        NestedBank(bank.vectors.data, torch.cat([fold, new.fold]))
        for bank, fold, new in zip(grown.banks, fold_of_former, added, strict=True)
    ]
    scored = sorted((shown, number) for number, fold in enumerate(folds) for shown in fold)
    before, maps = [], []
    for shown, number in scored:
        former_maps, grown_maps = [], []
        for picture in shown:
            cells = features.cells(picture)
            distances = [
                bank.distance(one[None].cpu()) for bank, one in zip(model.banks, cells, strict=True)
            ]
            former_maps.append(model.fuse(distances))
            grown_maps.append(map_without(grown, cells, banks, number).cpu())
        before.append(torch.cat(former_maps).amax(0, keepdim=True))
        maps.append(torch.cat(grown_maps).amax(0, keepdim=True))
    out = torch.cat(maps)
    return Extended(
        grown.cpu(),
        OutOfFold(
            (*former.pictures, *(seen + shown[0] for shown, _ in scored)),
            torch.cat([former.maps, out]),
            former.folds,
            torch.cat([bank.fold for bank in banks]),
        ),
        before=model.score_of(torch.cat(before).flatten(1)),
        after=model.score_of(out.flatten(1)),
    )


def _dealt(
    parts: Sequence[Sequence[int]], folds: int, seed: int
) -> tuple[list[list[tuple[int, ...]]], tuple[int, ...]]:
    """As many parts for each fold, with the pictures of each, and the pictures of those left."""
    if len(parts) < folds:
        raise FitError(
            f"the new pictures show {len(parts)} different good parts; at least {folds} are "
            "needed, one for each fold of the fit"
        )
    order = np.random.default_rng((seed, 6)).permutation(len(parts))
    dealt = [tuple(sorted(parts[int(index)])) for index in order]
    left = len(parts) % folds
    return [dealt[left + fold :: folds] for fold in range(folds)], tuple(
        chain.from_iterable(dealt[:left])
    )
