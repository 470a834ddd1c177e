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
        scored: those of them that count: of each part the first, and none of its copies. All
            folds have as many.
        rest: pictures outside all folds, which are in every bank.
        measured: those of the rest that give the features' mean and scale.

    >>> folds = Folds.deal([[0], [1, 5], [2], [3], [4]], seed=0)
    >>> folds.of, folds.scored
    (((4,), (3,), (0,), (1, 5)), ((4,), (3,), (0,), (1,)))
    >>> folds.rest, folds.measured
    ((2,), (2,))
    """

    of: tuple[tuple[int, ...], ...]
    scored: tuple[tuple[int, ...], ...]
    rest: tuple[int, ...]
    measured: tuple[int, ...]

    @classmethod
    def deal(cls, parts: Sequence[Sequence[int]], seed: int) -> Folds:
        """Deals parts at random; copies of a picture stay together.

        Args:
            parts: numbers of the pictures of each part: one, or several that are copies.
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
            scored=tuple(tuple(min(part) for part in fold) for fold in folds),
            rest=tuple(chain.from_iterable(dealt[:first])),
            measured=tuple(chain.from_iterable(dealt[:measured])),
        )


@dataclass(frozen=True)
class NestedBank:
    """The vectors of a bank, and where each comes from.

    Attributes:
        vectors: [M,C], float32.
        fold: the fold of each vector, int64 [M]; -1 for pictures outside all folds.
    """

    vectors: Tensor
    fold: Tensor


def nested_bank(
    features: PictureFeatures, folds: Folds, bank_size: int, *, seed: int
) -> NestedBank:
    """The union of the vectors that each fold chooses, and those of the pictures outside.

    Args:
        features: measured features of all pictures.
        folds: pictures by fold.
        bank_size: most vectors of the bank; each fold gets as many, by the number of parts.
        seed: seed of the choice.

    Raises:
        FitError: the bank is smaller than the number of folds.
    """
    count = len(folds.of)
    scored = sum(map(len, folds.scored))
    share = bank_size * scored // ((scored + len(folds.rest)) * count)
    if share < 1:
        raise FitError(f"a bank of {bank_size} has no vector for each of {count} folds: enlarge it")
    chosen = [_chosen(features, fold, share, seed) for fold in folds.of]
    chosen.append(_chosen(features, folds.rest, bank_size - share * count, seed))
    sizes = torch.tensor([len(vectors) for vectors in chosen])
    owners = torch.tensor([*range(count), -1])
    return NestedBank(torch.cat(chosen), owners.repeat_interleave(sizes))


@torch.no_grad()
def out_of_fold(
    model: PatchCore,
    features: PictureFeatures,
    folds: Folds,
    fold_of_vectors: Tensor,
    turns: Iterable[int],
) -> OutOfFold:
    """The maps of all pictures that count, each by the bank without its own fold's vectors.

    Args:
        model: detector with the whole bank, on the device of the features.
        features: features of the pictures.
        folds: pictures by fold.
        fold_of_vectors: fold of each vector of the model's bank, [M].
        turns: numbers from 0 to that of the pictures that count, which may show progress.
    """
    pictures = sorted(
        (picture, fold) for fold, scored in enumerate(folds.scored) for picture in scored
    )
    maps = []
    for turn in turns:
        picture, fold = pictures[turn]
        others = model.bank[(fold_of_vectors != fold).to(model.bank.device)]
        distances = model.distance(features.cells(picture)[None], others)
        maps.append(distances.view(model.map_size).cpu())
    return OutOfFold(
        pictures=tuple(picture for picture, _ in pictures),
        maps=torch.stack(maps),
        folds=len(folds.of),
        fold_of_vectors=fold_of_vectors.cpu(),
    )


def _chosen(features: PictureFeatures, pictures: Sequence[int], count: int, seed: int) -> Tensor:
    candidates = features.candidates(pictures)
    return candidates[greedy_k_centre(candidates, count, seed=seed)]
