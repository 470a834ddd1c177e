"""A bank made in folds, and good pictures scored by the part of it that has not seen them.

Good pictures are dealt into folds. Each fold gives as many vectors to the bank, chosen among its
own pictures alone, and the bank is the union of all. A picture is scored by the bank without the
vectors of its own fold. Nothing is fitted anew: the features are computed once, and so is the
bank. `export/calibration/cross_conformal.py` says what such scores promise, and needs of this:

- The bank without a fold's vectors depends on nothing in that fold. So each fold chooses by itself,
  and how many it chooses depends on the number of pictures alone.
- The score only falls as vectors are added.
- Mean and scale of the features come from pictures that are scored by nothing: `Folds.rest`.

The price: what two folds have in common is in the bank twice. Few folds waste less of it, but then
the scores come from a smaller part of the bank than what is served, and are higher.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from models.checkpoints.out_of_fold import OutOfFold
from models.fit.errors import FitError
from models.fit.patchcore.features import PictureFeatures
from models.patchcore.config import dealt
from models.patchcore.coreset import greedy_k_centre
from models.patchcore.detector import PatchCore

FOLDS = 5
"""Number of folds of many pictures."""

FEW = 20
"""So many parts or fewer are as many folds, of which the least is lost."""

MOST_SCORED = 2000
"""Most parts that are scored; others are in every bank, and none of them counts."""

MEASURED_SHARE = 0.05
"""Share of the parts whose pictures give the features' mean and scale, and are not scored."""

MOST_MEASURED = 20


@dataclass(frozen=True)
class Folds:
    """Numbers of the pictures by fold.

    Attributes:
        of: all pictures of each fold.
        scored: the parts of each fold, each by its pictures. All folds have as many.
        rest: pictures outside all folds, which are in every bank.
        measured: those of the rest that give the features' mean and scale.

    >>> folds = Folds.deal([[0], [1, 5], [2], [3], [4]], seed=0)
    >>> folds.of, folds.scored
    (((4,), (3,), (0,), (1, 5)), (((4,),), ((3,),), ((0,),), ((1, 5),)))
    >>> folds.rest, folds.measured
    ((2,), (2,))
    """

    of: tuple[tuple[int, ...], ...]
    scored: tuple[tuple[tuple[int, ...], ...], ...]
    rest: tuple[int, ...]
    measured: tuple[int, ...]

    @classmethod
    def deal(cls, parts: Sequence[Sequence[int]], seed: int) -> Folds:
        """Deals parts at random; the pictures of one stay together.

        Args:
            parts: numbers of the pictures of each part, ascending.
            seed: seed of the order.

        Raises:
            FitError: there are fewer than three parts.
        """
        if len(parts) < 3:
            raise FitError(
                f"the pictures show {len(parts)} different good parts; at least 3 are needed: one "
                "gives the scale of the features, and the others score each other"
            )
        order = np.random.default_rng((seed, 0)).permutation(len(parts))
        dealt = [tuple(parts[int(index)]) for index in order]
        measured = min(MOST_MEASURED, math.ceil(MEASURED_SHARE * len(parts)))
        scored = min(MOST_SCORED, len(parts) - measured)
        count = scored if scored <= FEW else FOLDS
        first = len(parts) - scored // count * count
        folds = [dealt[first + fold :: count][: scored // count] for fold in range(count)]
        return cls(
            of=tuple(tuple(chain.from_iterable(fold)) for fold in folds),
            scored=tuple(map(tuple, folds)),
            rest=tuple(chain.from_iterable(dealt[:first])),
            measured=tuple(chain.from_iterable(dealt[:measured])),
        )


@dataclass(frozen=True)
class NestedBank:
    """The vectors of a layer's bank, and where each comes from.

    Attributes:
        vectors: [M,C], float32.
        fold: the fold of each vector, int64 [M]; -1 for pictures outside all folds.
    """

    vectors: Tensor
    fold: Tensor

    @classmethod
    def of(cls, chosen: Sequence[Tensor], folds: Sequence[int]) -> NestedBank:
        """The union of what each of these folds has chosen."""
        sizes = torch.tensor([len(vectors) for vectors in chosen])
        return cls(torch.cat([*chosen]), torch.tensor(folds).repeat_interleave(sizes))

    def without(self, fold: int) -> Tensor:
        """The vectors [M',C] that do not come from a fold."""
        return self.vectors[(self.fold != fold).to(self.vectors.device)]


def nested_banks(
    features: PictureFeatures, folds: Folds, bank_size: int, *, seed: int
) -> list[NestedBank]:
    """For each layer the union of the vectors that each fold chooses, and those of the rest.

    Args:
        features: measured features of all pictures.
        folds: pictures by fold.
        bank_size: most vectors of all layers' banks together; each fold gets as many, by the number
            of parts.
        seed: seed of the choice.

    Raises:
        FitError: a bank is smaller than the number of folds.
    """
    count = len(folds.of)
    scored = sum(map(len, folds.scored))
    sizes = dealt(bank_size, features.model.encoder.channels)
    shares = [size * scored // ((scored + len(folds.rest)) * count) for size in sizes]
    if min(shares) < 1:
        raise FitError(
            f"a bank of {bank_size} has no vector for each of {count} folds in each layer: "
            "enlarge it"
        )
    left = [size - share * count for size, share in zip(sizes, shares, strict=True)]
    chosen = [choose(features, fold, shares, seed) for fold in folds.of]
    chosen.append(choose(features, folds.rest, left, seed))
    return [NestedBank.of(layer, [*range(count), -1]) for layer in zip(*chosen, strict=True)]


@torch.no_grad()
def out_of_fold(
    model: PatchCore,
    features: PictureFeatures,
    folds: Folds,
    banks: Sequence[NestedBank],
    turns: Iterable[int],
) -> OutOfFold:
    """The maps of all parts that count, each by the banks without its own fold's vectors.

    The map of several pictures of a part has their highest value in each cell. Its first picture
    stands for it.

    Args:
        model: detector, on the device of the features.
        features: features of the pictures.
        folds: pictures by fold.
        banks: bank of each layer, with the vectors that the model has.
        turns: numbers from 0 to that of the parts that count, which may show progress.
    """
    parts = sorted((part, fold) for fold, scored in enumerate(folds.scored) for part in scored)
    maps = []
    for turn in turns:
        part, fold = parts[turn]
        maps.append(
            torch.cat(
                [map_without(model, features.cells(one), banks, fold).cpu() for one in part]
            ).amax(0, keepdim=True)
        )
    return OutOfFold(
        pictures=tuple(part[0] for part, _ in parts),
        maps=torch.cat(maps),
        folds=len(folds.of),
        fold_of_vectors=torch.cat([bank.fold for bank in banks]).cpu(),
    )


def map_without(
    model: PatchCore, cells: Sequence[Tensor], banks: Sequence[NestedBank], fold: int
) -> Tensor:
    """The map [1,h,w] of a picture by the banks without a fold's vectors.

    Args:
        model: detector.
        cells: standardised features [T,C] of the picture by layer.
        banks: bank of each layer.
        fold: number of the fold.
    """
    layers = zip(model.banks, cells, banks, strict=True)
    return model.fuse([bank.distance(one[None], all_.without(fold)) for bank, one, all_ in layers])


def choose(
    features: PictureFeatures, pictures: Sequence[int], counts: Sequence[int], seed: int
) -> list[Tensor]:
    """The vectors [n,C] that stand for some pictures, by layer.

    Args:
        features: measured features of the pictures.
        pictures: numbers of the pictures.
        counts: most vectors of each layer.
        seed: seed of the choice.
    """
    layers = zip(features.candidates(pictures), counts, strict=True)
    return [one[greedy_k_centre(one, count, seed=seed)] for one, count in layers]
