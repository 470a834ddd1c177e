"""Good pictures scored by banks that have not seen them.

What is served is one bank, chosen among the cells of all good pictures. A picture that is in it
scores far lower than a part of the line would, so that its score says nothing of a threshold. So
the pictures are dealt into folds, and for each fold a bank of the served one's size is chosen
among the pictures of the other folds alone. It scores the pictures of the fold as the served bank
scores a part that it has not seen, but for a little: it has seen a fold less.

`takt_export/calibration/cross_conformal.py` says what such scores promise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from takt_models.checkpoints.out_of_fold import OutOfFold
from takt_models.fit.errors import FitError
from takt_models.fit.parts import kept_together
from takt_models.fit.patchcore.features import PictureFeatures
from takt_models.patchcore.config import dealt
from takt_models.patchcore.coreset import greedy_k_centre
from takt_models.patchcore.detector import PatchCore

FOLDS = 10
"""Number of folds. Fewer take less time, but lack more pictures and so score higher than what is
served."""

MOST_SCORED = 2000
"""Most parts that are scored; others are in every bank, and none of them counts."""

MOST_MEASURED = 20
"""Most parts whose pictures give the features' mean and scale."""

MOST_SEEN = 200
"""Most pictures by which the served bank is held against those of the folds."""

FEWEST_APART = 3
"""Fewest parts, or lots, that can be held apart from each other."""

Part = tuple[int, ...]
"""Numbers of the pictures of one part, ascending."""


@dataclass(frozen=True)
class Folds:
    """Numbers of the pictures by fold.

    Attributes:
        of: parts of each fold, each by its pictures.
        rest: pictures outside all folds, which are in every bank.
        measured: pictures that give the features' mean and scale.
        beside: pictures that no fold scores, but that one must not have seen, by fold.

    >>> folds = Folds.deal([[0], [1, 5], [2], [3], [4]], seed=0)
    >>> folds.of
    (((2,),), ((4,),), ((3,),), ((0,),), ((1, 5),))
    >>> folds.rest, folds.measured
    ((), (2, 4, 3, 0, 1, 5))
    """

    of: tuple[tuple[Part, ...], ...]
    rest: tuple[int, ...]
    measured: tuple[int, ...]
    beside: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def deal(
        cls,
        parts: Sequence[Sequence[int]],
        seed: int,
        apart: Sequence[int] | None = None,
    ) -> Folds:
        """Deals parts at random; the pictures of one stay together, and so do parts of one number.

        Args:
            parts: numbers of the pictures of each part, ascending.
            seed: seed of the order.
            apart: a number for each picture; parts of one number, by their first pictures, lie in
                one fold. Each part has its own if None.

        Raises:
            FitError: there are fewer than three parts, or numbers.
        """
        order = np.random.default_rng((seed, 0)).permutation(len(parts))
        dealt_parts = [tuple(parts[int(index)]) for index in order]
        scored, rest = dealt_parts[:MOST_SCORED], dealt_parts[MOST_SCORED:]
        number = None if apart is None else [apart[part[0]] for part in scored]
        together = kept_together(range(len(scored)), number)
        if (count := len(together)) < FEWEST_APART:
            shown = "one good part" if count == 1 else f"{count} different good parts"
            raise FitError(
                f"the pictures show {shown}; at least 3 are needed, as they score each other"
            )
        of: list[list[Part]] = [[] for _ in range(min(len(together), FOLDS))]
        fold_of: dict[int, int] = {}
        for parts_together in together:
            # The smallest fold, of several the first.
            smallest = min(range(len(of)), key=lambda one: len(of[one]))
            of[smallest] += [scored[one] for one in parts_together]
            if number is not None:
                fold_of[number[parts_together[0]]] = smallest
        beside: list[list[int]] = [[] for _ in of]
        for part in rest:
            fold = fold_of.get(apart[part[0]]) if apart is not None else None
            if fold is not None:
                beside[fold] += part
        return cls(
            of=tuple(map(tuple, of)),
            rest=tuple(chain.from_iterable(rest)),
            measured=tuple(chain.from_iterable(dealt_parts[:MOST_MEASURED])),
            beside=tuple(map(tuple, beside)),
        )

    def others(self, fold: int) -> tuple[int, ...]:
        """All pictures that may be in the bank by which a fold is scored."""
        kept = (one for number, one in enumerate(self.of) if number != fold)
        beside = {*self.beside[fold]} if self.beside else set()
        rest = (picture for picture in self.rest if picture not in beside)
        return (*chain.from_iterable(chain.from_iterable(kept)), *rest)

    @property
    def all(self) -> tuple[int, ...]:
        """All pictures."""
        return (*chain.from_iterable(chain.from_iterable(self.of)), *self.rest)


@torch.no_grad()
def score_fold(
    model: PatchCore,
    features: PictureFeatures,
    fold: Sequence[Part],
    banks: Sequence[Tensor],
) -> Iterator[Tensor]:
    """The distances [L,h,w] of each part of a fold to banks that have not seen it.

    Several pictures of a part have their highest distance at each place.

    Args:
        model: detector, on the device of the features.
        features: features of the pictures.
        fold: parts of the fold.
        banks: vectors [M,C] of each layer without those of the fold.
    """
    for part in fold:
        yield torch.stack([_distances(model, features, one, banks) for one in part]).amax(0)


@torch.no_grad()
def seen_distances(model: PatchCore, features: PictureFeatures, pictures: Sequence[int]) -> Tensor:
    """The mean distances [L,h,w] of pictures to the model's own banks, which have seen them.

    Args:
        model: detector with its banks, on the device of the features.
        features: features of the pictures.
        pictures: numbers of the pictures, of which at most `MOST_SEEN`, evenly, are asked.
    """
    every = -(-len(pictures) // MOST_SEEN)
    some = pictures[::every]
    banks = [bank.vectors for bank in model.banks]
    return torch.stack([_distances(model, features, one, banks) for one in some]).mean(0)


def gathered(
    scored: Sequence[tuple[Part, Tensor]], folds: int, lots: Sequence[str] = ()
) -> OutOfFold:
    """The parts with their distances [L,h,w], in the order of their first pictures.

    Args:
        scored: parts by the numbers of their pictures, with their distances.
        folds: that they lay in.
        lots: name of each picture's lot, where lots were held apart.
    """
    ordered = sorted(scored, key=lambda one: one[0])
    distances = torch.stack([distances for _, distances in ordered])
    # A checkpoint holds them in half the bytes, and what is read again is what was calibrated on.
    pictures = tuple(part[0] for part, _ in ordered)
    names = tuple(lots[picture] for picture in pictures) if lots else ()
    return OutOfFold(pictures, distances.half().float(), folds, names)


def bank_sizes(bank_size: int, model: PatchCore) -> tuple[int, ...]:
    """The vectors of each layer's bank, of so many together.

    Raises:
        FitError: a layer would have none.
    """
    if bank_size < len(model.banks):
        raise FitError(f"a bank of {bank_size} has no vector for each layer: enlarge it")
    return dealt(bank_size, model.encoder.channels)


def choose(
    features: PictureFeatures, pictures: Sequence[int], counts: Sequence[int], seed: int
) -> list[Tensor]:
    """The vectors [n,C] that stand for some pictures, by layer.

    They are rounded to float16, so that a checkpoint holds them in half the bytes and the served
    bank is the fitted one.

    Args:
        features: measured features of the pictures.
        pictures: numbers of the pictures.
        counts: most vectors of each layer.
        seed: seed of the choice.
    """
    layers = zip(features.candidates(pictures), counts, strict=True)
    return [one[greedy_k_centre(one, count, seed=seed)].half().float() for one, count in layers]


def _distances(
    model: PatchCore, features: PictureFeatures, picture: int, banks: Sequence[Tensor]
) -> Tensor:
    """The distances [L,h,w] of a picture to banks, on the CPU."""
    layers = zip(model.banks, features.cells(picture), banks, strict=True)
    near = [bank.distance(cells[None], vectors.to(cells.device)) for bank, cells, vectors in layers]
    return model.enlarge(near)[:, 0].cpu()
