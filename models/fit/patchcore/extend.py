"""More pictures for the bank of a PatchCore that is fitted already.

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
from models.fit.patchcore.copies import parts_of
from models.fit.patchcore.features import PictureFeatures
from models.fit.patchcore.fit import with_bank
from models.fit.pictures import Load
from models.fit.progress import Progress
from models.patchcore.coreset import greedy_k_centre
from models.patchcore.detector import PatchCore


@dataclass(frozen=True)
class Extended:
    """A detector with a larger bank.

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
    seed: int = 0,
    quiet: bool = False,
) -> Extended:
    """Adds vectors of further pictures of good parts to a bank.

    The bank grows as the number of pictures does, and at most to its double.

    Args:
        model: fitted detector, on the CPU.
        former: what its fit scored out of fold.
        seen: number of pictures that its fit has seen.
        pictures: pictures of good parts, which it has not seen.
        load: reads a picture as RGB uint8 [H,W,3] of the input size, exactly as the service will.
        compute: device; the encoder runs in float32.
        seed: seed of everything random.
        quiet: whether the progress bar is left out.

    Raises:
        FitError: there are fewer different pictures than the fit has folds.
    """
    grown = with_bank(model, model.bank.data).to(compute.device)
    features = PictureFeatures(pictures, load, grown, compute, seed)
    features.read(Progress("patchcore", len(pictures), unit="picture", quiet=quiet))
    folds, rest = _dealt(parts_of(features.sketches), former.folds, seed)
    added = max(former.folds, min(1.0, len(pictures) / seen) * len(model.bank))
    share = max(1, int(added) // (former.folds + bool(rest)))
    chosen = [_chosen(features, tuple(chain.from_iterable(fold)), share, seed) for fold in folds]
    owners = list(range(former.folds))
    if rest:
        chosen.append(_chosen(features, rest, share, seed))
        owners.append(-1)
    lengths = torch.tensor([len(vectors) for vectors in chosen])
    of_new = torch.tensor(owners).repeat_interleave(lengths)
    fold_of_vectors = torch.cat([former.fold_of_vectors, of_new])
    grown = with_bank(grown, torch.cat([grown.bank.data, *chosen]))
    scored = sorted((part[0], number) for number, fold in enumerate(folds) for part in fold)
    before, maps = [], []
    for picture, number in scored:
        cells = features.cells(picture)[None]
        others = grown.bank[(fold_of_vectors != number).to(grown.bank.device)]
        before.append(grown.distance(cells, grown.bank[: len(model.bank)]).cpu())
        maps.append(grown.distance(cells, others).cpu())
    out = torch.cat(maps)
    return Extended(
        grown.cpu(),
        OutOfFold(
            (*former.pictures, *(seen + picture for picture, _ in scored)),
            torch.cat([former.maps, out.view(-1, *model.map_size)]),
            former.folds,
            fold_of_vectors,
        ),
        before=model.score_of(torch.cat(before)),
        after=model.score_of(out),
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


def _chosen(features: PictureFeatures, pictures: Sequence[int], count: int, seed: int) -> Tensor:
    candidates = features.candidates(pictures)
    return candidates[greedy_k_centre(candidates, count, seed=seed)]
