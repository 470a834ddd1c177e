"""More pictures for the banks of a PatchCore that is fitted already.

Mean and scale of the features stay, and no vector is taken out of a bank: vectors of the new
pictures join it. The new pictures are dealt into folds and scored by the former bank with vectors
of the other folds; where lots are held apart, of the other lots, and one lot by the former bank
alone. Their distances join the former ones in what is usual at each place, so that a
picture's score may rise a little where the new pictures vary less. The former pictures keep their
distances, which the larger bank would lower, as they cannot be read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from takt_models.checkpoints.good_cells import GoodCells
from takt_models.checkpoints.out_of_fold import OutOfFold
from takt_models.fit.device import Compute
from takt_models.fit.parts import kept_together
from takt_models.fit.patchcore.cells import good_cells, joined
from takt_models.fit.patchcore.features import PictureFeatures
from takt_models.fit.patchcore.fit import set_places, with_banks
from takt_models.fit.patchcore.folds import (
    FEWEST_APART,
    Folds,
    Part,
    choose,
    gathered,
    score_fold,
    seen_distances,
)
from takt_models.fit.pictures import Load
from takt_models.fit.progress import Progress
from takt_models.patchcore.detector import PatchCore


@dataclass(frozen=True)
class Extended:
    """A detector with larger banks.

    Attributes:
        model: detector in eval mode.
        out_of_fold: distances of the former pictures, then of the new ones that count.
        good_cells: cells of both; None if those of the former ones were not kept.
        before: scores and peaks [2,n] of the new pictures that count, by the former detector.
        after: the same by the new detector without their own fold, [2,n].
    """

    model: PatchCore
    out_of_fold: OutOfFold
    good_cells: GoodCells | None
    before: Tensor
    after: Tensor


@torch.no_grad()
def extend_patchcore(
    model: PatchCore,
    former: OutOfFold,
    former_cells: GoodCells | None,
    seen: int,
    pictures: Sequence[Path],
    load: Load,
    compute: Compute,
    *,
    part: Sequence[int] | None = None,
    apart: Sequence[int] | None = None,
    lots: Sequence[str] = (),
    seed: int = 0,
    quiet: bool = False,
) -> Extended:
    """Adds vectors of further pictures of good parts to the banks.

    A bank grows as the number of pictures does, and at most to its double.

    Args:
        model: fitted detector, on the CPU.
        former: what its fit scored out of fold.
        former_cells: cells of these; None if they were not kept.
        seen: number of pictures that its fit has seen.
        pictures: pictures of good parts, which it has not seen.
        load: reads a picture as RGB uint8 [H,W,3] of the input size, exactly as the service will.
        compute: device; the encoder runs in float32.
        part: number of the part that each picture shows; a part is scored once. Each shows its own
            if None.
        apart: a number for each picture, as `Folds.deal` takes it.
        lots: name of each picture's lot, where the former pictures were scored without their lots.
        seed: seed of everything random.
        quiet: whether the progress bar is left out.

    Raises:
        FitError: the pictures show fewer than three parts.
    """
    former_vectors = [bank.vectors.data for bank in model.banks]
    reading = with_banks(model, former_vectors).to(compute.device)
    features = PictureFeatures(pictures, load, reading, compute, seed)
    features.read(Progress("patchcore", len(pictures), unit="picture", quiet=quiet))
    features.read_moved()
    parts = kept_together(range(len(pictures)), part)
    folds = _by_lot(parts, lots, seed) if lots else Folds.deal(parts, seed, apart)
    growth = min(1.0, len(pictures) / seen)
    counts = [max(1, int(growth * len(vectors))) for vectors in former_vectors]
    before: list[tuple[Part, Tensor]] = []
    after: list[tuple[Part, Tensor]] = []
    for number, fold in enumerate(folds.of):
        others = folds.others(number)
        added = choose(features, others, counts, seed) if others else []
        grown = _joined(former_vectors, added) if others else former_vectors
        before += zip(fold, score_fold(reading, features, fold, former_vectors), strict=True)
        after += zip(fold, score_fold(reading, features, fold, grown), strict=True)
    of_former, of_grown = gathered(before, len(folds.of)), gathered(after, len(folds.of), lots)
    both = OutOfFold(
        (*former.pictures, *(seen + picture for picture in of_grown.pictures)),
        torch.cat([former.distances, of_grown.distances]),
        former.folds,
        (*former.lots, *of_grown.lots),
    )
    whole = _joined(former_vectors, choose(features, folds.all, counts, seed))
    grown_model = with_banks(model, whole)
    set_places(grown_model, both.places, seen_distances(grown_model, features, of_grown.pictures))
    # By its own detector the former version has not seen the new pictures at all.
    seen_by_former = model.fuse(of_former.distances.transpose(0, 1))
    cells = None
    if former_cells is not None:
        added_cells = good_cells(grown_model, features, of_grown.pictures)
        cells = joined(former_cells, len(former.pictures), added_cells)
    return Extended(
        grown_model,
        both,
        cells,
        before=_witnesses(model, seen_by_former),
        after=_witnesses(model, both.maps[len(former.pictures) :]),
    )


def _by_lot(parts: Sequence[Sequence[int]], lots: Sequence[str], seed: int) -> Folds:
    """Folds by lot; all pictures in one where they are of one lot or two.

    Raises:
        FitError: there are fewer than three parts.
    """
    names = [*dict.fromkeys(lots)]
    folds = Folds.deal(parts, seed)
    if len(names) >= FEWEST_APART:
        return Folds.deal(parts, seed, [names.index(lot) for lot in lots])
    return replace(folds, of=(tuple(chain.from_iterable(folds.of)),), beside=(folds.rest,))


def _witnesses(model: PatchCore, maps: Tensor) -> Tensor:
    """Scores and peaks [2,n] of maps [n,h,w]."""
    values = maps.flatten(1)
    return torch.stack([model.score_of(values), values.amax(1)])


def _joined(former: Sequence[Tensor], added: Sequence[Tensor]) -> list[Tensor]:
    return [torch.cat([old, new]) for old, new in zip(former, added, strict=True)]
