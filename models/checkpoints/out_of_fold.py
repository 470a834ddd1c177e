"""What a checkpoint keeps of the pictures that its fit scored out of fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

MAPS = "out_of_fold.maps"
FOLD_OF_VECTORS = "out_of_fold.fold_of_vectors"


@dataclass(frozen=True)
class OutOfFold:
    """Maps of good pictures, each by a model that has not seen it.

    Attributes:
        pictures: number of each among the pictures that the fit has seen, ascending.
        maps: the maps in that order, float32 [n,h,w].
        folds: number of folds, which all have the same number of these pictures.
        fold_of_vectors: fold of each vector of the banks, one bank after another, from 0, int64
            [M]; -1 for none.

    >>> import torch
    >>> found = OutOfFold((0, 2), torch.zeros(2, 4, 4), 2, torch.tensor([0, 1, 1]))
    >>> again = OutOfFold.taken(found.tensors(), found.plain(), seen=3)
    >>> again.pictures, again.folds
    ((0, 2), 2)
    """

    pictures: tuple[int, ...]
    maps: Tensor
    folds: int
    fold_of_vectors: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by their names in a checkpoint."""
        return {MAPS: self.maps, FOLD_OF_VECTORS: self.fold_of_vectors.float()}

    def plain(self) -> dict[str, Any]:
        """The rest as plain values."""
        return {"pictures": list(self.pictures), "folds": self.folds}

    @classmethod
    def taken(
        cls, tensors: dict[str, Tensor], plain: Mapping[str, Any] | None, seen: int
    ) -> OutOfFold | None:
        """What `tensors` and `plain` gave, checked; its tensors are taken out of the others.

        Args:
            tensors: all tensors of a checkpoint.
            plain: plain values; None if the checkpoint has none.
            seen: number of pictures that the fit has seen.

        Raises:
            KeyError: something is missing.
            ValueError: the values do not fit each other.
        """
        if plain is None:
            return None
        maps, fold_of_vectors = tensors.pop(MAPS), tensors.pop(FOLD_OF_VECTORS)
        pictures, folds = tuple(plain["pictures"]), plain["folds"]
        if not all(type(number) is int for number in (*pictures, folds)):
            raise ValueError("its folds are not counted in whole numbers")
        if not pictures or [*pictures] != sorted({*pictures} & {*range(seen)}):
            raise ValueError("its scores are of pictures that it has not seen")
        if folds < 2 or len(pictures) % folds or maps.ndim != 3 or len(maps) != len(pictures):
            raise ValueError("its scores are not of whole folds")
        if not bool(maps.isfinite().all() and fold_of_vectors.isfinite().all()):
            raise ValueError("its scores are not finite")
        return cls(pictures, maps, folds, fold_of_vectors.long())
